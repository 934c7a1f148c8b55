import { expect, test } from "vitest";
import { Activity, noteChange, watchAgent } from "../../../host/gateway/activity.ts";
import type { DeploymentStatus, ModuleView } from "../../../host/management/api.ts";
import { DONE } from "../fake-parts.ts";
import { module } from "../management/full-answers.ts";

const never = new AbortController().signal;
const read = (activity: Activity, from: number, limit = 10, waitMs = 0, signal = never) =>
  activity.read({ from, limit, waitMs, signal });

test("pages follow each other, and what was before the latest thousand is gone, and said to be", async () => {
  const activity = new Activity(() => 0);
  for (let i = 0; i < 1_500; i++) activity.note("module", "m", `${i}`.padEnd(1_000));
  const first = await read(activity, 0, 2);
  expect(first).toMatchObject({ oldest: 500, next: 502 });
  expect(first.records.map(({ number, text }) => [number, text.trim(), text.length])).toEqual([
    [500, "500", 300],
    [501, "501", 300],
  ]);
  expect(await read(activity, 1_499)).toMatchObject({ next: 1_500, records: [{ number: 1_499 }] });
  expect(await read(activity, 1_500)).toEqual({ records: [], next: 1_500, oldest: 500 });
});

test("a reader of an earlier start of the gateway begins anew", async () => {
  const activity = new Activity(() => 0);
  activity.note("hub", "hub", "x");
  expect(await read(activity, 7)).toMatchObject({ records: [{ number: 0 }], next: 1 });
});

test("a reader waits for the next thing to happen, or until it leaves", async () => {
  const activity = new Activity(() => 0);
  const waiting = read(activity, 0, 10, 60_000);
  activity.note("identity", "d", "added");
  expect((await waiting).records).toHaveLength(1);
  const gone = new AbortController();
  const left = read(activity, 1, 10, 60_000, gone.signal);
  gone.abort();
  expect((await left).records).toEqual([]);
  expect((await read(activity, 1, 10, 1)).records).toEqual([]);
});

test("modules and deployments are noted when they have changed, once", async () => {
  const activity = new Activity(() => 0);
  let modules: ModuleView[] = [];
  let status: DeploymentStatus = DONE;
  let changed = () => {};
  const watch = (listener: () => void) => void (changed = listener);
  watchAgent({ modules: () => modules, status: () => status, watch }, activity);
  modules = [{ ...module, status: "running", description: "running" }];
  changed();
  changed();
  modules = [{ ...module, status: "backoff", description: "starts again in 20 s" }];
  changed();
  modules = [];
  status = { ...DONE, version: 2, code: 500, description: "rolled back" };
  changed();
  const { records } = await read(activity, 0);
  expect(records.map(({ kind, subject, text }) => `${kind} ${subject}: ${text}`)).toEqual([
    "module filter: running",
    "deployment 1: 200",
    "module filter: backoff: starts again in 20 s",
    "module filter: removed",
    "deployment 2: 500 rolled back",
  ]);
});

test("changes of identities are told in words, and no key is in them", async () => {
  const activity = new Activity(() => 0);
  const authentication = { type: "sas", primaryKey: "SECRET", secondaryKey: "SECRET" } as const;
  noteChange(activity, "addIdentity", [{ deviceId: "d", enabled: true, authentication }]);
  noteChange(activity, "changeIdentity", [{ deviceId: "d", moduleId: "m", renew: "primaryKey" }]);
  noteChange(activity, "changeIdentity", [{ deviceId: "d", enabled: false, parent: null }]);
  noteChange(activity, "changeIdentity", [{ deviceId: "d", authentication }]);
  noteChange(activity, "removeIdentity", ["d", "m"]);
  noteChange(activity, "setRoutes", [{ routes: {} }]);
  const { records } = await read(activity, 0);
  expect(records.map(({ subject, text }) => `${subject}: ${text}`)).toEqual([
    "d: added",
    "d/m: has a new primary key",
    "d: disabled, has no parent",
    "d: has other credentials",
    "d/m: removed",
  ]);
});
