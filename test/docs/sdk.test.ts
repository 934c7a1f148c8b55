/** `docs/sdk.md` and the tests with Microsoft's SDK: one table, and no line of it without a test. */
import { expect, test } from "vitest";
import { SURFACE, type Verdict } from "../sdk/surface.ts";
import { TRANSPORTS } from "../sdk/transports.ts";
import { codeFiles, readText } from "./source-files.ts";

const WORD: Readonly<Record<Verdict, string>> = { yes: "yes", sdk: "not in the SDK" };

test("the page says of each part of the SDK what the tests do", () => {
  const rows = readText("docs/sdk.md")
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
  const at = rows.findIndex(([first]) => first === "Part of the SDK");
  expect(rows[at]).toEqual(["Part of the SDK", ...TRANSPORTS]);
  const told = rows.slice(at + 2, at + 2 + SURFACE.length);
  expect(told).toEqual(SURFACE.map(({ what, over }) => [what, ...TRANSPORTS.map((one) => WORD[over[one]])]));
});

test("each of them has a test of that name", () => {
  const texts = codeFiles("test").filter(({ path }) => /^test\/sdk\/.*\.test\.ts$/.test(path));
  expect(texts.length).toBeGreaterThan(3);
  const missing = SURFACE.filter(({ test: name }) => !texts.some(({ text }) => text.includes(name)));
  expect(missing).toEqual([]);
});
