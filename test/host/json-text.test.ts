import { expect, test } from "vitest";
import { parseJsonText } from "../../host/json-text.ts";

const complaint = (text: string): string => {
  try {
    parseJsonText(text, "f.json");
  } catch (error) {
    return (error as Error).message;
  }
  return "none";
};

/** The first character that is wrong is marked by what stands before it. */
test.for([
  ['{\n  "a": ', "x\n}", "f.json:2:8: Unexpected token 'x'"],
  ['{\n  "modules": {\n    "a": tru', 'x,\n    "b": 1\n  }\n}', "f.json:3:13: Unexpected token 'x'"],
  ['{"a": 1,', "}", "f.json:1:9: Expected double-quoted property name"],
  ['{"a": 1', "", "f.json:1:8: Expected ',' or '}' after property value"],
  ['{"a": ', "", "f.json:1:7: Unexpected end of JSON input"],
  ["", "// a comment\n{}", "f.json:1:1: Unexpected token '/'"],
  ['{"a": 1}\n', "{}", "f.json:2:1: Unexpected non-whitespace character after JSON"],
  ["", "undefined", "f.json:1:1: "],
  ["", "", "f.json:1:1: Unexpected end of JSON input"],
] as const)("of %j%j the place is between the two", ([before, after, expected]) => {
  expect(complaint(before + after)).toContain(expected);
});

test("the text is not repeated in the message, however short it is", () => {
  expect(complaint('{"password": hunter2}')).toBe("f.json:1:14: Unexpected token 'h'");
});
