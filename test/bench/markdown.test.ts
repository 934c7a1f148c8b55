import { expect, test } from "vitest";
import { bytes, markdown, thousands } from "./markdown.ts";

test("a table is padded as the formatter pads it", () => {
  expect(
    markdown([
      ["A", "Longer"],
      ["1234", ""],
    ]),
  ).toBe("| A    | Longer |\n| ---- | ------ |\n| 1234 |        |");
});

test.for([
  [0.4, "0"],
  [999, "999"],
  [1234, "1,230"],
  [371_484, "371,000"],
] as const)("the rate %d is written %s", ([number, text]) => {
  expect(thousands(number)).toBe(text);
});

test.for([
  [415, "415 B"],
  [5279, "5.2 KB"],
  [24_000, "23 KB"],
] as const)("%d bytes are written %s", ([number, text]) => {
  expect(bytes(number)).toBe(text);
});
