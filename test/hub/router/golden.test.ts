/**
 * `test/golden/routes`: a query and what becomes of it, as an operator sees it. A new case is two files;
 * `UPDATE_GOLDEN=1` writes the second, to be read before it is committed.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compileRoute, type CompiledRoute } from "../../../hub/router/compile.ts";
import { RouteSyntaxError } from "../../../hub/router/errors.ts";

const FOLDER = new URL("../../golden/routes/", import.meta.url);

function outcome(query: string): string {
  try {
    return description(compileRoute(query));
  } catch (error) {
    if (!(error instanceof RouteSyntaxError)) throw error;
    const hint = error.hint === undefined ? "" : `hint: ${error.hint}\n`;
    return `${error.message}\n${error.excerpt}\n${hint}`;
  }
}

function description({ source, sink, condition, usesBody }: CompiledRoute): string {
  const to = sink.kind === "module" ? `module "${sink.module}", input "${sink.input}"` : "upstream";
  const where = condition === null ? "always" : usesBody ? "conditional, reads the body" : "conditional";
  return `source: ${source.prefix}\nsink: ${to}\nwhere: ${where}\n`;
}

describe("golden routes", () => {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith(".route"));

  test.for(names)("%s", (name) => {
    const expected = new URL(name.replace(/\.route$/, ".out"), FOLDER);
    const actual = outcome(readFileSync(new URL(name, FOLDER), "utf8"));
    if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(expected, actual);
    expect(actual).toBe(readFileSync(expected, "utf8"));
  });

  test("there are some", () => {
    expect(names.length).toBeGreaterThan(10);
  });
});
