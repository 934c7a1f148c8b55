import { describe, expect, test } from "vitest";
import { TableMessage } from "./messages.ts";
import { termOf } from "./verdict.ts";

const message = new TableMessage(
  { "a-b": "1", "it's": "2", "100%": "3", größe: "4", "$body.x": "own", "a.b": "5", TRUE: "6" },
  { "absolute-expiry-time": "2030-01-01T00:00:00.000Z", a: "system", "deep.name": "7" },
  {
    x: "body",
    list: [{ "größe!": 1 }, [10, 20]],
    "it's": { "100%": "odd" },
    __proto__x: 1,
    nested: { toString: "own" },
    scalar: 5,
    null: null,
  },
);
const evaluate = (expression: string): unknown => termOf(expression).value(message);

describe("names", () => {
  test.for([
    ["a-b", "1"],
    ["A-B", "1"],
    ["it's", "2"],
    ["100%", "3"],
    ["GRÖSSE", undefined],
    ["GRÖßE", "4"],
    ["a.b", "5"],
    ["TRUE", "6"],
    ["$a", "system"],
    ["$A", "system"],
    ["{$a}", "system"],
    ["{   $a\n}", "system"],
    ["$deep.name", "7"],
    ["$absolute-expiry-time", "2030-01-01T00:00:00.000Z"],
    ["$a[0]", undefined],
    ["$body.x", "own"],
    ["$BODY.X", "own"],
    ["{$body.x}", "body"],
    ["{$body.X}", null],
    ["$body.list[0].größe!", 1],
    ["$body.list[1][1]", 20],
    ["$body.list[1][2]", null],
    ["$body.list[1]", undefined],
    ["$body.list.length", null],
    ["$body.it's.100%", "odd"],
    ["$body.nested.toString", "own"],
    ["$body.nested.valueOf", null],
    ["$body.__proto__", null],
    ["$body.__proto__.constructor", null],
    ["$body.constructor.name", null],
    ["$body.scalar.below", undefined],
    ["$body.scalar[0]", undefined],
    ["$body.null.below", undefined],
    ["$body[0]", null],
    ["{$body}", undefined],
  ] as const)("%s is %j", ([expression, value]) => {
    expect(evaluate(expression)).toBe(value);
  });

  test("a run of characters up to punctuation is one name, operators included", () => {
    expect(() => termOf("3+4 = 7")).toThrow("cannot compare a string with a number");
    expect(evaluate("a-b = '1'")).toBe(true);
    expect(evaluate("a-b||a-b")).toBeUndefined();
  });

  test("a name gives its ! to the = behind it", () => {
    expect(evaluate("a-b!='2'")).toBe(true);
    expect(evaluate("{$body.x}!='2'")).toBe(true);
    expect(evaluate("$a!='2'")).toBe(true);
  });

  test("an array at the root of the body has elements", () => {
    expect(termOf("$body[1].x = 2").value(new TableMessage({}, {}, [1, { x: 2 }]))).toBe(true);
  });

  test("blanks of every kind stand between words", () => {
    expect(evaluate("a-b\u00a0=\u2003'1'\r\n\tand\u00a0true")).toBe(true);
  });
});

describe("literals", () => {
  test.for([
    ["0x1F", 31],
    ["1e3", 1000],
    ["1.5E-1", 0.15],
    [".5", 0.5],
    ["-3", -3],
    [`'it''`, "error"],
    [`"it's"`, "it's"],
    [`'say "x"'`, 'say "x"'],
    [String.raw`'\' \" \\ \u00e4'`, `' " \\ ä`],
    [String.raw`'\n'`, "error"],
    [String.raw`'\u12'`, "error"],
    [String.raw`'\u12G4'`, "error"],
    ["''", ""],
    ["null", null],
    ["undefined", undefined],
    ["True", undefined],
  ] as const)("%s is %j", ([expression, value]) => {
    if (value === "error") expect(() => evaluate(expression)).toThrow("route query: ");
    else expect(termOf(expression).value(new TableMessage({}, {}))).toBe(value);
  });
});
