/** `docs/journal-rules.md` against the code and the tests that it names. */
import { describe, expect, test } from "vitest";
import { codeFiles, projectPaths, readText } from "./source-files.ts";

const PAGE = readText("docs/journal-rules.md");
const [RULES = "", AFTER_RULES = ""] = PAGE.split("\n## Tests\n");
const [TESTS = "", NOT_BUILT = ""] = AFTER_RULES.split("\n## Not built\n");

interface Row {
  readonly rule: string;
  readonly files: readonly string[];
  /** Numbers of the list of tests. */
  readonly tests: readonly number[];
}

const rowsOf = (part: string): string[][] =>
  [...part.matchAll(/^\| (J\d+b?) .*\|$/gm)].map(([row]) => row.split("|").map((cell) => cell.trim()));

const rows = rowsOf(RULES).map(([, rule, , code, tests]): Row => {
  const files = [...code!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
  return { rule: rule!, files, tests: tests === "none" ? [] : tests!.split(", ").map(Number) };
});

const listed = [...TESTS.matchAll(/^\d+\. `([^`]+)`: (.+)$/gm)].map(([, path, name]) => ({
  path: path!,
  name: name!,
}));

const rulesIn = (text: string): string[] => text.match(/\bJ\d+b?\b/g) ?? [];

/** Rules that a test's name cites, at its end: in brackets or parentheses. */
const cited = codeFiles("test")
  .filter(({ path }) => path.endsWith(".test.ts") && !path.startsWith("test/docs/"))
  .flatMap(({ text }) => [...text.matchAll(/"[^"\n]*[[(]([^\])"\n]*\bJ\d[^\])"\n]*)[\])]"/g)])
  .flatMap((match) => rulesIn(match[1]!));

describe("docs/journal-rules.md", () => {
  test("has every rule once, in order, as built or as not built", () => {
    const numbered = (rules: readonly string[]): string[] => rules.filter((rule) => !rule.endsWith("b"));
    const built = rows.map(({ rule }) => rule);
    const missing = rowsOf(NOT_BUILT).map(([, rule]) => rule!);
    expect(numbered(built)).toEqual(Array.from({ length: 32 }, (_, i) => `J${i + 1}`));
    expect(missing).toEqual(["J33", "J34", "J35"]);
  });

  test("names, for each rule, files that are there and cite it", () => {
    const paths = new Set(projectPaths());
    for (const { rule, files } of rows) {
      expect(files.length, rule).toBeGreaterThan(0);
      for (const file of files) {
        expect(paths.has(file), `${rule}: ${file} is there`).toBe(true);
        expect(rulesIn(readText(file)), `${file} cites ${rule}`).toContain(rule);
      }
    }
  });

  test("names tests that are there, each for the rules that its name cites", () => {
    expect(listed.length).toBeGreaterThan(10);
    for (const [i, { path, name }] of listed.entries()) {
      expect(readText(path), `${path} has a test of this name`).toContain(`"${name}"`);
      const used = rows.filter(({ tests }) => tests.includes(i + 1)).map(({ rule }) => rule);
      expect(used.toSorted(), name).toEqual(rulesIn(name).toSorted());
    }
    expect(Math.max(...rows.flatMap(({ tests }) => tests))).toBeLessThanOrEqual(listed.length);
  });

  test("says of no rule that a test cites that none does", () => {
    expect(cited.length).toBeGreaterThan(10);
    const tested = rows.filter(({ tests }) => tests.length > 0).map(({ rule }) => rule);
    expect([...new Set(cited)].filter((rule) => !tested.includes(rule))).toEqual([]);
  });
});
