import { expect, test } from "vitest";
import { formatAge, formatBytes, formatTable } from "../../../toolchain/operate/table.ts";

test("columns are as wide as their widest cell, and numbers stand to the right", () => {
  const columns = [
    { title: "NAME", cell: (row: [string, number | null]) => row[0] },
    { title: "N", cell: (row: [string, number | null]) => row[1] },
  ];
  const rows: [string, number | null][] = [
    ["filter", 7],
    ["a", 1234],
    ["none", null],
  ];
  expect(formatTable(columns, rows)).toBe("NAME       N\nfilter     7\na       1234\nnone       -");
});

test.for([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KB"],
  [20 * 1024 * 1024, "20 MB"],
] as const)("%d bytes read as %s", ([bytes, text]) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.for([
  [null, null],
  [350, "350 ms"],
  [61_000, "1 m"],
  [100_000_000, "1 d"],
] as const)("%d ms read as %s", ([ms, text]) => {
  expect(formatAge(ms)).toBe(text);
});
