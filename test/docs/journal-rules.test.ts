/** `docs/journal-rules.md` against the code and the tests that it names. */
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { codeFiles, projectPaths, readText } from "./source-files.ts";

const PAGE = readText("docs/journal-rules.md");
const [RULES = "", AFTER_RULES = ""] = PAGE.split("\n## Tests\n");
const [TESTS = "", NOT_BUILT = ""] = AFTER_RULES.split("\n## Not built\n");

interface Row {
  readonly rule: string;
  readonly files: readonly string[];
  /** Names of test files, without their end. */
  readonly tests: readonly string[];
}

const rowsOf = (part: string): string[][] =>
  [...part.matchAll(/^\| (J\d+b?) .*\|$/gm)].map(([row]) => row.split("|").map((cell) => cell.trim()));

const rows = rowsOf(RULES).map(([, rule, , code, tests]): Row => {
  const files = [...code!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
  return { rule: rule!, files, tests: tests === "none" ? [] : tests!.split(", ") };
});

/** Paths of tests, each with the names listed under it. */
const listed = TESTS.split(/^`(?=test\/)/m)
  .slice(1)
  .map((part) => {
    const [path = "", ...lines] = part.split("\n");
    const text = lines.join("\n");
    const names = [...text.matchAll(/^- (.+)$/gm)].map((match) => match[1]!);
    return { path: path.replace("`", ""), names };
  });

const rulesIn = (text: string): string[] => text.match(/\bJ\d+b?\b/g) ?? [];
const keyOf = (path: string): string => posix.basename(path, ".test.ts");

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
    expect(numbered(built)).toEqual(Array.from({ length: 35 }, (_, i) => `J${i + 1}`));
    expect(missing).toEqual([]);
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

  test("lists tests that are there, under the names they have", () => {
    expect(listed.length).toBeGreaterThan(5);
    for (const { path, names } of listed) {
      expect(names.length, path).toBeGreaterThan(0);
      const text = readText(path);
      for (const name of names) expect(text, `${path} has a test of this name`).toContain(`"${name}"`);
    }
  });

  test("names, for each rule, the files of the listed tests that cite it", () => {
    for (const { rule, tests } of rows) {
      const citing = listed.filter(({ names }) => names.some((name) => rulesIn(name).includes(rule)));
      expect(tests.toSorted(), rule).toEqual(citing.map(({ path }) => keyOf(path)).toSorted());
    }
  });

  test("says of no rule that a test cites that none does", () => {
    expect(cited.length).toBeGreaterThan(10);
    const tested = rows.filter(({ tests }) => tests.length > 0).map(({ rule }) => rule);
    expect([...new Set(cited)].filter((rule) => !tested.includes(rule))).toEqual([]);
  });
});
