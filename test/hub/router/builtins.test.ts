import { expect, test } from "vitest";
import { BUILTINS } from "../../../hub/router/builtins.ts";
import { MESSAGE_P, TableMessage } from "./messages.ts";
import { termOf } from "./verdict.ts";

const evaluate = (condition: string): unknown => termOf(condition).value(MESSAGE_P);

test("substring never throws, and keeps to its bounds, for any integers from -10 to 10", () => {
  const text = "hello";
  for (let start = -10; start <= 10; start++) {
    const rest = start >= 0 && start <= text.length ? text.slice(start) : undefined;
    expect(evaluate(`substring('${text}', ${start})`)).toBe(rest);
    for (let length = -10; length <= 10; length++) {
      const fits = start >= 0 && start < text.length && length >= 0 && length <= text.length - start;
      const part = fits ? text.slice(start, start + length) : undefined;
      expect(evaluate(`substring('${text}', ${start}, ${length})`)).toBe(part);
    }
  }
});

test("as_number takes decimal numerals with blanks around, and nothing else", () => {
  for (const [text, value] of [
    ["42", 42],
    [" -1.5e3\t", -1500],
    ["+.5", 0.5],
    ["3.", 3],
    ["-10e1000", -Infinity],
    ["", undefined],
    [" ", undefined],
    ["0x10", undefined],
    ["Infinity", undefined],
    ["NaN", undefined],
    ["1,000", undefined],
    ["1 2", undefined],
    ["٣", undefined],
  ] as const) {
    const message = new TableMessage({ text }, {});
    expect(termOf("as_number(text)").value(message), JSON.stringify(text)).toBe(value);
  }
});

test("infinity is defined and no number; what cannot be calculated is undefined", () => {
  expect(evaluate("is_defined(3 / 0)")).toBe(true);
  expect(evaluate("is_number(3 / 0)")).toBe(false);
  expect(evaluate("sqrt(-1)")).toBeUndefined();
  expect(evaluate("0 / 0")).toBeUndefined();
  expect(evaluate("sign(3 / 0)")).toBe(1);
  expect(evaluate("square(-3) + sqrt(16) + power(2, 3)")).toBe(21);
});

test("the predicates answer true or false for whatever the body holds", () => {
  const message = new TableMessage({}, {}, { t: "x", n: 1, b: false, z: null, o: {}, a: [] });
  const rows: Record<string, string> = {
    is_string: "t",
    is_number: "n",
    is_bool: "b",
    is_null: "z,missing",
    is_defined: "t,n,b,z,missing",
  };
  for (const [name, holding] of Object.entries(rows)) {
    for (const field of ["t", "n", "b", "z", "o", "a", "missing"]) {
      const value = termOf(`${name}($body.${field})`).value(message);
      expect(value, `${name} ${field}`).toBe(holding.split(",").includes(field));
    }
    expect(termOf(`${name}($body.t)`).value(new TableMessage({}, {})), "no body").toBe(false);
  }
});

test("concat takes any number of strings from two, and an undefined one makes the whole undefined", () => {
  expect(evaluate("concat('a', 'b', null_value, key2, 'c')")).toBe("ab3c");
  expect(evaluate("concat('a', none)")).toBeUndefined();
  expect(() => evaluate("concat('a')")).toThrow("at least 2 arguments");
});

test("a string that would grow without bound is undefined", () => {
  const message = new TableMessage({ big: "x".repeat(256 * 1024) }, {});
  const four = "concat(big, big, big, big)";
  expect(termOf(`length(${four})`).value(message)).toBe(1024 * 1024);
  expect(termOf(`length(${four} || 'x')`).value(message)).toBeUndefined();
  expect(termOf(`length(concat(${Array(2000).fill("big").join(",")}))`).value(message)).toBeUndefined();
});

test("a search whose cost a device could choose is undefined, and quick", () => {
  const message = new TableMessage({ text: "a".repeat(120_000), part: `${"a".repeat(60_000)}b` }, {});
  expect(termOf("contains(text, part)").value(message)).toBeUndefined();
  expect(termOf("index_of(text, part)").value(message)).toBeUndefined();
});

test("every function has a name in lower case and is called in any case", () => {
  for (const [name, { parameters, required }] of BUILTINS) {
    const literals = { string: "'1'", number: "1", bool: "true", null: "null", undefined: "1", dynamic: "1" };
    const given = parameters.slice(0, required).map((types) => literals[types[0]!]);
    const call = `${name.toUpperCase()}(${given.join(", ")})`;
    expect(name).toBe(name.toLowerCase());
    expect(evaluate(call), call).not.toBeUndefined();
  }
});
