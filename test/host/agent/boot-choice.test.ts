import { expect, test } from "vitest";
import { chooseBoot } from "../../../host/agent/boot-choice.ts";
import type { DeploymentRecord, DesiredRecord, Loaded } from "../../../host/agent/deployment-files.ts";

const record = (version: number): DeploymentRecord => ({
  version,
  savedAt: "2026-01-01T00:00:00.000Z",
  baseDir: "/srv",
  json: {},
  digests: [],
  configs: [],
});
const there = <T>(found: T): Loaded<T> => ({ record: found, damaged: null });
const ABSENT = { record: null, damaged: null };
const DAMAGED = { record: null, damaged: "it rotted" };
const wanted = (version: number, outcome: [code: number, runs: boolean] | null, attempts = 1) =>
  there<DesiredRecord>({
    ...record(version),
    attempts,
    outcome: outcome && { code: outcome[0], description: "", runs: outcome[1] },
  });
const good = (version: number) => there(record(version));

test.for<[string, Loaded<DesiredRecord>, Loaded<DeploymentRecord>, number | null, number | null, number]>([
  ["nothing at all", ABSENT, ABSENT, null, null, 0],
  ["the usual", wanted(3, [200, true]), good(3), 3, null, 0],
  ["a refused deployment", wanted(4, [400, false]), good(3), 3, null, 0],
  ["a deployment that was rolled back", wanted(4, [500, false]), good(3), 3, null, 0],
  ["a first deployment that was left running", wanted(1, [500, true]), ABSENT, 1, null, 0],
  ["a first deployment that was refused", wanted(1, [400, false]), ABSENT, null, null, 0],
  ["a first deployment under way", wanted(1, null), ABSENT, null, 1, 0],
  ["a deployment under way", wanted(4, null), good(3), 3, 4, 0],
  ["a deployment under way for the second time", wanted(4, null, 2), good(3), 3, null, 1],
  ["a good deployment whose outcome was not saved", wanted(4, null), good(4), 4, null, 0],
  ["a damaged last-good file", wanted(3, [200, true]), DAMAGED, 3, null, 1],
  ["a damaged last-good file and a bad deployment", wanted(3, [500, false]), DAMAGED, null, null, 1],
  ["a damaged file of the wanted deployment", DAMAGED, good(3), 3, null, 1],
  ["two damaged files", DAMAGED, DAMAGED, null, null, 2],
])("with %s", ([, desired, lastGood, start, resume, problems]) => {
  const choice = chooseBoot(desired, lastGood);
  expect({
    start: choice.start?.version ?? null,
    resume: choice.resume?.version ?? null,
    problems: choice.problems.length,
  }).toEqual({ start, resume, problems });
});
