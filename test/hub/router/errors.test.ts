import { describe, expect, test } from "vitest";
import { toErrorRecord } from "../../../abi/index.ts";
import { compileRoute } from "../../../hub/router/compile.ts";
import { excerpt, RouteSyntaxError } from "../../../hub/router/errors.ts";
import { routeWith } from "./verdict.ts";

function errorOf(query: string): RouteSyntaxError {
  try {
    compileRoute(query);
  } catch (error) {
    if (error instanceof RouteSyntaxError) return error;
    throw error;
  }
  throw new Error(`accepted: ${query}`);
}

test("an error says what was expected, where, and what stands there instead", () => {
  const error = errorOf("FROM /messages/* WHERE a = 'x'");
  expect(error.message).toBe("route query: expected INTO at line 1, column 31, found the end");
  expect(errorOf("FROM /* INT $upstream").message).toBe(
    'route query: expected WHERE or INTO at line 1, column 9, found "INT"',
  );
});

test("an error crosses a thread as code, place, query and hint", () => {
  const query = "FROM /*\nWHERE\n  temp == 3\nINTO $upstream";
  expect(toErrorRecord(errorOf(query))).toEqual({
    code: "SP_ROUTE_SYNTAX",
    message: 'route query: expected a value at line 3, column 9, found "="',
    hint: 'use = for "is equal"',
    details: { line: 3, column: 9, query },
  });
});

test("the excerpt shows the line with a caret under the column", () => {
  const query = "FROM /*\nWHERE\n\ttemp == 3\nINTO $upstream";
  expect(errorOf(query).excerpt).toBe(" temp == 3\n       ^");
});

test("the excerpt of a long line is cut around the caret", () => {
  const { query, line, column } = errorOf(routeWith(`${"a = 'x' or ".repeat(40)} == 1`));
  const [text, caret] = excerpt(query, line, column).split("\n") as [string, string];
  expect(text.length).toBeLessThanOrEqual(106);
  expect(text.startsWith("...")).toBe(true);
  expect(text.slice(caret.length - 1)).toMatch(/^== 1 INTO/);
});

test("the excerpt and the message carry no control characters to a terminal", () => {
  const error = errorOf("FROM /* \u001b[2J\u202e INTO $upstream");
  expect(error.excerpt).toMatch(/^FROM \/\* \?\[2J\? INTO/);
  expect(error.message).toMatch(/^[\x20-\x7e]+$/);
  for (const condition of ["a\u202eb > 1", "a\u202eb(1)", "$body.a\u202e..b = 1", "1 a\u202eb"]) {
    const { message, hint = "" } = errorOf(routeWith(condition));
    expect(message + hint).toMatch(/^[\x20-\x7e]+$/);
  }
});

test("a column counts characters, not UTF-16 units", () => {
  expect(errorOf(routeWith("a = '😀😀' = = 3")).column).toBe(26);
});

describe("hints for what people write from habit", () => {
  test.for([
    ["temp > 40", "a property is text: write as_number(temp)"],
    ["40 < $temp", "a property is text: write as_number($temp)"],
    ["abs(temp) = 1", "a property is text: write as_number(temp)"],
    ["enabled = true", "a property is text: write enabled = 'true'"],
    ["enabled and a = 'x'", "a property is text: write enabled = 'true'"],
    ["a = 'x' and TRUE", "write true in lower case"],
    ["not a = 'x'", "NOT binds tightest: write NOT (a = b)"],
    ["3+4 = 7", '"3+4" is read as one name: put blanks around operators'],
    ["a == 'x'", 'use = for "is equal"'],
    ["a = 'x' && b = 'y'", "use AND"],
    ["!(a = 'x')", 'write NOT for "!"'],
    ["none ?? 'a' = 'b' ", "?? binds loosest: put it in parentheses"],
    ["$body.a[x] = 1", "an index is a whole number"],
    ["$body..a = 1", "a path is like $body.a.b[0].c"],
  ] as const)("%s: %s", ([condition, hint]) => {
    expect(errorOf(routeWith(condition)).hint).toBe(hint);
  });

  test("INTO upstream names $upstream", () => {
    expect(errorOf("FROM /* INTO upstream").hint).toBe("the cloud is $upstream");
  });
});

describe("bounds", () => {
  test("a query longer than 16 KB is refused before it is read", () => {
    const error = errorOf(routeWith(`a = '${"x".repeat(17_000)}'`));
    expect(error.message).toMatch(/^route query: 17\d{3} characters, more than 16384, at line 1/);
  });

  test.for([
    ["parentheses", `${"(".repeat(5000)}1`],
    ["closed parentheses", `${"(".repeat(100)}1${")".repeat(100)} = 1`],
    ["NOT", `${"not ".repeat(4000)}true`],
    ["minus", `${"- ".repeat(8000)}1 = 1`],
    ["calls", `${"abs(".repeat(4000)}1`],
    ["sums", `${"1 + ".repeat(4000)}1 = 1`],
    ["mixed concatenation", `${"a || 1 + ".repeat(1500)}1 = 1`],
    ["comparisons", `${"true = ".repeat(2000)}true`],
  ] as const)("deep nesting of %s is refused with a place", ([, condition]) => {
    const error = errorOf(routeWith(condition));
    expect(error.message).toMatch(/nested deeper than 64 at line 1, column \d+/);
  });

  test("a long list of alternatives is not deep", () => {
    const condition = Array.from({ length: 1000 }, (_, i) => `id = 'd${i}'`).join(" or ");
    expect(compileRoute(routeWith(condition)).condition).not.toBeNull();
  });

  test("sixty-four levels are fine", () => {
    expect(compileRoute(routeWith(`${"(".repeat(63)}a = 'x'${")".repeat(63)}`)).condition).not.toBeNull();
  });

  test("a module or input name that could not be one is refused", () => {
    for (const name of ["x".repeat(129), "a\\u0000b", "ä".repeat(65)]) {
      expect(errorOf(`FROM /* INTO BrokeredEndpoint("/modules/${name}/inputs/in")`).hint).toMatch(
        /^a sink is/,
      );
    }
  });
});
