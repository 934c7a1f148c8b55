import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { BUILTINS } from "../../../hub/router/builtins.ts";
import { compileRoute } from "../../../hub/router/compile.ts";

const PAGE = readFileSync(new URL("../../../docs/routes.md", import.meta.url), "utf8");

test("every route on the page compiles", () => {
  const routes = [...PAGE.matchAll(/```sql\n(.*?)```/gs)].map((match) => match[1]!);
  expect(routes.length).toBeGreaterThan(2);
  for (const route of routes) expect(compileRoute(route).condition).not.toBeNull();
});

test("the page lists the functions there are, and no others", () => {
  const section = PAGE.slice(PAGE.indexOf("## Functions"), PAGE.indexOf("## Cycles"));
  const listed = new Set([...section.matchAll(/`([a-z_]+)\(/g)].map((match) => match[1]!));
  expect([...listed].toSorted()).toEqual([...BUILTINS.keys()].toSorted());
});
