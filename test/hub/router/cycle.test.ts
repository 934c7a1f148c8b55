import { expect, test } from "vitest";
import { compileRoute } from "../../../hub/router/compile.ts";
import { findCycles, type RouteCycle } from "../../../hub/router/cycle.ts";
import { RouteCycleError } from "../../../hub/router/errors.ts";

const MODULES = new Set(["a", "b", "c", "D"]);

/** Routes as `source > module`, named r1, r2, ... */
function cyclesOf(...routes: string[]): readonly RouteCycle[] {
  const named = routes.map((text, i) => {
    const [from = "", to = ""] = text.split(" > ");
    const sink = to === "$upstream" ? to : `BrokeredEndpoint("/modules/${to}/inputs/in")`;
    return { name: `r${i + 1}`, route: compileRoute(`FROM ${from} INTO ${sink}`) };
  });
  return findCycles(named, MODULES);
}

const output = (module: string): string => `/messages/modules/${module}/outputs/out`;

test("a chain of modules that ends upstream has no cycle", () => {
  expect(cyclesOf(`${output("a")} > b`, `${output("b")} > c`, `${output("c")} > $upstream`)).toEqual([]);
});

test("a module that feeds itself is a cycle [J22]", () => {
  expect(cyclesOf(`${output("a")} > a`)).toEqual([{ modules: ["a"], routes: ["r1"] }]);
  expect(cyclesOf("/messages/modules/a/* > a")).toEqual([{ modules: ["a"], routes: ["r1"] }]);
});

test("a cycle is told in the order messages pass it, by the shortest way; and one for each module that lies on any", () => {
  expect(
    cyclesOf(
      `${output("a")} > b`,
      `${output("b")} > D`,
      `${output("b")} > c`,
      `${output("d")} > c`,
      `${output("c")} > A`,
    ),
  ).toEqual([
    { modules: ["a", "b", "c"], routes: ["r1", "r3", "r5"] },
    { modules: ["D", "c", "a", "b"], routes: ["r4", "r5", "r1", "r2"] },
  ]);
});

test("names are compared without case, as sources are", () => {
  expect(cyclesOf("/MESSAGES/Modules/d/* > d")).toEqual([{ modules: ["D"], routes: ["r1"] }]);
});

test("cycles that share no module are told one by one", () => {
  const cycles = cyclesOf(`${output("a")} > a`, `${output("b")} > c`, `${output("c")} > b`);
  expect(cycles.map((cycle) => cycle.modules)).toEqual([["a"], ["b", "c"]]);
});

test("a condition does not hide a cycle of named modules [J22]", () => {
  expect(cyclesOf(`${output("a")} WHERE retry = 'yes' > a`)).toHaveLength(1);
});

test("all modules into one of them is a cycle, unless a condition narrows it", () => {
  expect(cyclesOf("/messages/modules/* > a")).toEqual([{ modules: ["a"], routes: ["r1"] }]);
  expect(cyclesOf("/messages/modules/* WHERE $connectionModuleId != 'a' > a")).toEqual([]);
});

test("a sink that cannot emit is no cycle, whatever is led into it", () => {
  expect(cyclesOf("/messages/modules/* > logger", `${output("logger")} > logger`)).toEqual([]);
});

test("sources for devices and twins are no edges", () => {
  expect(cyclesOf("/* > a", "/messages/* > a", "/twinChangeNotifications > a")).toEqual([]);
});

test("a wildcard that is not at the end matches nothing, and closes no circle", () => {
  expect(cyclesOf("/messages/modules/*/outputs/x > a")).toEqual([]);
});

test("the error tells the way round", () => {
  const [cycle] = cyclesOf(`${output("a")} > b`, `${output("b")} > a`);
  const error = new RouteCycleError(cycle!.modules, cycle!.routes);
  expect(error.code).toBe("SP_ROUTE_CYCLE");
  expect(error.message).toBe('routes: cycle a -> b -> a through "r1", "r2"');
  expect(error.details).toEqual({ modules: ["a", "b"], routes: ["r1", "r2"] });
});
