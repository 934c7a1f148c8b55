import { expect, test } from "vitest";
import {
  backlogMessages,
  loadOf,
  parseCommandLine,
  peersOf,
  slowDiskMs,
  UsageError,
} from "./command-line.ts";

test("every peer runs unless some are named", () => {
  const names = (...words: string[]) => peersOf(parseCommandLine(words).values).map(({ name }) => name);
  expect(names("e2e")).toEqual(["sandpiper", "nostore", "mosquitto", "aedes", "seglog"]);
  expect(names("e2e", "--variant", "lazy:lingerMs=20", "--peers", "seglog,lazy")).toEqual(["seglog", "lazy"]);
});

test("a slow disk is told in milliseconds, with or without the unit", () => {
  expect(slowDiskMs("3ms")).toBe(3);
  expect(slowDiskMs("12")).toBe(12);
});

test.for([
  ["a slow disk of no time", () => slowDiskMs("0ms")],
  ["a slow disk in seconds", () => slowDiskMs("3s")],
  ["a backlog that the publishers cannot share", () => backlogMessages("21")],
  ["a load that is none", () => loadOf("fast")],
  ["an option that is none", () => parseCommandLine(["e2e", "--fast"])],
  ["a variant of what is no setting", () => peersOf(parseCommandLine(["e2e", "--variant", "a:b=1"]).values)],
] as const)("%s is a usage error", ([, use]) => {
  expect(use).toThrow(UsageError);
});
