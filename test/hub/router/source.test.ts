import { describe, expect, test } from "vitest";
import { compileRoute } from "../../../hub/router/compile.ts";
import { messagePath, TWIN_CHANGE_PATH } from "../../../hub/router/source.ts";

const LEAF = messagePath({ moduleId: null, output: null });
const MODULE = messagePath({ moduleId: "ModId1", output: "Op1" });

const taken = (source: string, path: string): boolean =>
  compileRoute(`FROM ${source} INTO $upstream`).source.matchesPath(path);

describe("the match matrix of contract §3.2", () => {
  test.for([
    [true, true, true, "/"],
    [true, true, true, "/*"],
    [true, true, false, "/messages"],
    [true, true, false, "/messages/"],
    [true, true, false, "/messages/*"],
    [false, false, false, "/messages/events"],
    [false, false, false, "/messages/event"],
    [false, false, false, "/message"],
    [false, false, false, "/*/messages/*"],
    [false, true, false, "/messages/modules"],
    [false, true, false, "/messages/modules/*"],
    [false, true, false, "/messages/modules/ModId1"],
    [false, true, false, "/messages/modules/ModId1/*"],
    [false, true, false, "/messages/modules/ModId1/outputs"],
    [false, true, false, "/messages/modules/ModId1/outputs/*"],
    [false, true, false, "/messages/modules/ModId1/outputs/Op1"],
    [false, true, false, "/messages/modules/ModId1/outputs/Op1/*"],
    [false, false, false, "/messages/modules/ModId1/outputs/Op2"],
    [false, false, false, "/messages/modules/ModId2"],
    [false, false, true, "/twinChangeNotifications"],
    [false, false, true, "/twinChangeNotifications/*"],
    [false, true, false, "/MESSAGES/modules/modid1/OUTPUTS/op1"],
    [false, false, false, "/messages/modules/*/outputs/Op1"],
  ] as const)("leaf %s, module %s, twin change %s: FROM %s", ([leaf, module, twin, source]) => {
    expect(taken(source, LEAF)).toBe(leaf);
    expect(taken(source, MODULE)).toBe(module);
    expect(taken(source, TWIN_CHANGE_PATH)).toBe(twin);
  });
});

test("a module's message without an output is taken by the module's source, not by one of its outputs", () => {
  const path = messagePath({ moduleId: "ModId1", output: null });
  expect(path).toBe("/messages/modules/ModId1");
  expect(taken("/messages/modules/ModId1/*", path)).toBe(true);
  expect(taken("/messages/modules/ModId1/outputs/*", path)).toBe(false);
});

test("a name is compared whole: a source for one module does not take another whose name begins alike", () => {
  expect(taken("/messages/modules/ModId", MODULE)).toBe(false);
  expect(taken("/messages/modules/ModId1/outputs/Op", MODULE)).toBe(false);
});

test("a source with a wildcard is not taken for a comment", () => {
  const route = compileRoute(`FROM /* WHERE a = 'x' /* why */ INTO BrokeredEndpoint("/modules/*/inputs/in")`);
  expect(route.source.prefix).toBe("/");
  expect(route.sink).toEqual({ kind: "module", module: "*", input: "in" });
});
