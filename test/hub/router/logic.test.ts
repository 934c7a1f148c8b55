import { describe, expect, test } from "vitest";
import { MESSAGE_P, TableMessage } from "./messages.ts";
import { matches, termOf } from "./verdict.ts";

/** An expression for each truth value, of which nothing is known before the message comes. */
const EXPRESSIONS = {
  T: "key1 = 'value1'",
  F: "key1 = 'other'",
  U: "none = 'value1'",
  N: "(key1 = 'value1' and null)",
} as const;
type Truth = keyof typeof EXPRESSIONS;
const VALUES = { T: true, F: false, U: undefined, N: null } as const;

const evaluate = (condition: string): unknown => termOf(condition).value(MESSAGE_P);

describe("AND and OR (contract §3.5)", () => {
  // x, y, x AND y, x OR y
  const TABLE = ["TTTT", "TFFT", "TUUT", "TNNT", "FFFF", "FUFU", "FNNF", "UUUU", "UNNU", "NNNN"];

  test.for(TABLE)("%s, in either order, as an expression and as literals", (row) => {
    const [x, y, and, or] = Array.from(row) as [Truth, Truth, Truth, Truth];
    const literals = { T: "true", F: "false", U: "undefined", N: "null" };
    for (const terms of [EXPRESSIONS, literals]) {
      for (const [a, b] of [
        [terms[x], terms[y]],
        [terms[y], terms[x]],
      ] as const) {
        expect(evaluate(`(${a}) and (${b})`)).toBe(VALUES[and]);
        expect(evaluate(`(${a}) or (${b})`)).toBe(VALUES[or]);
        expect(matches(`not((${a}) and (${b}))`, MESSAGE_P)).toBe(and === "F" || and === "N");
        expect(matches(`not((${a}) or (${b}))`, MESSAGE_P)).toBe(or === "F" || or === "N");
      }
    }
  });
});

test("NOT of undefined is undefined, and of null is true", () => {
  expect(evaluate(`not (${EXPRESSIONS.U})`)).toBeUndefined();
  expect(evaluate(`not ${EXPRESSIONS.N}`)).toBe(true);
  expect(evaluate(`not (${EXPRESSIONS.T})`)).toBe(false);
});

test("a body value that is no boolean is undefined to AND, OR and NOT", () => {
  const message = new TableMessage({}, {}, { text: "true", number: 1 });
  for (const value of ["$body.text", "$body.number"]) {
    expect(termOf(`not ${value}`).value(message)).toBeUndefined();
    expect(termOf(`${value} and true`).value(message)).toBeUndefined();
    expect(termOf(`${value} or false`).value(message)).toBeUndefined();
    expect(termOf(`${value} or true`).value(message)).toBe(true);
  }
});

describe("precedence, tightest first", () => {
  test.for([
    ["2 + 3 * 4 = 14", true],
    ["(2 + 3) * 4 = 20", true],
    ["10 - 3 - 2 = 5", true],
    ["8 / 4 / 2 = 1", true],
    ["-2 * 3 = -6", true],
    ["1 -2 = -1", true],
    ["1 < 2 = true", true],
    ["1 = 1 and 2 = 3 or 4 = 4", true],
    ["4 = 4 or 1 = 1 and 2 = 3", true],
    ["not false and true", true],
    ["undefined ?? 1 = 1", true],
    ["'a' || 'b' = 'ab'", true],
    ["none ?? key1 = 'x' or key1 = 'value1'", "error"],
  ] as const)("%s", ([condition, expected]) => {
    if (expected === "error") expect(() => evaluate(condition)).toThrow();
    else expect(evaluate(condition)).toBe(expected);
  });
});

test("body values of different types are unequal, and in the order null, boolean, number, string", () => {
  const message = new TableMessage({}, {}, { n: null, b: true, x: 1e9, s: "" });
  const names = ["n", "b", "x", "s"];
  names.forEach((left, i) => {
    names.forEach((right, j) => {
      const holds = (operator: string): unknown =>
        termOf(`$body.${left} ${operator} $body.${right}`).value(message);
      expect(holds("=")).toBe(i === j);
      expect(holds("!=")).toBe(i !== j);
      expect(holds("<")).toBe(i < j);
      expect(holds("<=")).toBe(i <= j);
      expect(holds(">")).toBe(i > j);
      expect(holds(">=")).toBe(i >= j);
    });
  });
});

test("strings compare by code unit, not by language", () => {
  expect(evaluate("'Z' < 'a'")).toBe(true);
  expect(evaluate("'z' < 'ä'")).toBe(true);
});

test("a property that is there without a value equals null, and nothing else", () => {
  expect(evaluate("null_value = null")).toBe(true);
  expect(evaluate("null_value = ''")).toBe(false);
  expect(evaluate("key1 != null")).toBe(true);
  expect(evaluate("none = null")).toBeUndefined();
});

test("the body is not read when a property has decided, whichever is written first", () => {
  for (const condition of [
    "$body.a = 1 and key = 'no'",
    "key = 'no' and $body.a = 1",
    "$body.a = 1 or key = 'yes'",
    "not ($body.a = 1 or key = 'yes')",
    "(($body.a = 1 and true = true) and key = 'no') or key = 'neither'",
  ]) {
    const message = new TableMessage({ key: "yes" }, {}, { a: 1 });
    matches(condition, message);
    expect(message.bodyReads, condition).toBe(0);
  }
});

test("a condition without a value for the message does not match, and does not throw", () => {
  const empty = new TableMessage({}, {});
  for (const condition of [
    "$body.a.b[3] > 1",
    "a = 'x'",
    "$a = 'x'",
    "length(a) > 1",
    "contains($body.x, a)",
  ]) {
    expect(matches(condition, empty)).toBe(false);
  }
});
