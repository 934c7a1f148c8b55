/** `docs/errors.md` and the codes that the source can throw: each of one in the other, and once. */
import { describe, expect, test } from "vitest";
import { CODE_AREAS, codeFiles, readText } from "./source-files.ts";

/** Sections of the page, in its order, and where the codes of each are first thrown. */
const SECTIONS = new Map<string, string>([
  ["Contract", "abi"],
  ["Hub", "hub"],
  ["Host", "host"],
  ["Toolchain", "toolchain"],
  ["Measurements", "test"],
]);
const CODES_MIN = 30;

interface Entry {
  readonly code: string;
  readonly section: string;
  readonly text: string;
}

function entriesOf(page: string): Entry[] {
  return page
    .split(/^## /m)
    .slice(1)
    .flatMap((part) => {
      const [section = "", ...lines] = part.split("\n");
      return lines
        .join("\n")
        .split(/^### /m)
        .slice(1)
        .map((entry) => {
          const [code = "", ...text] = entry.split("\n");
          return { code, section, text: text.join("\n").trim() };
        });
    });
}

/** Codes as whole string literals, with the area that comes first in the order of the areas. */
function codesThrown(): Map<string, string> {
  const found = new Map<string, string>();
  const sources = [...CODE_AREAS, "test"].flatMap((area) => codeFiles(area));
  for (const { path, text } of sources) {
    if (path.endsWith(".test.ts")) continue;
    for (const [, code] of text.matchAll(/["'`](SP_[A-Z0-9_]*[A-Z0-9])["'`]/g)) {
      if (!found.has(code!)) found.set(code!, path.split("/", 1)[0]!);
    }
  }
  return found;
}

describe("docs/errors.md", () => {
  const entries = entriesOf(readText("docs/errors.md"));
  const thrown = codesThrown();

  test("has an entry for every code in the source, and for no other", () => {
    expect(thrown.size).toBeGreaterThan(CODES_MIN);
    expect(entries.map(({ code }) => code).toSorted()).toEqual([...thrown.keys()].toSorted());
  });

  test("has each code in the section of the area that throws it, in order", () => {
    const sections = [...SECTIONS.keys()];
    const expected = [...thrown]
      .map(([code, area]) => ({ code, section: sections.find((name) => SECTIONS.get(name) === area)! }))
      .toSorted(
        (a, b) => sections.indexOf(a.section) - sections.indexOf(b.section) || (a.code < b.code ? -1 : 1),
      );
    expect(entries.map(({ code, section }) => ({ code, section }))).toEqual(expected);
  });

  test("says of each what it means and what to do", () => {
    const unhelpful = entries.filter(({ text }) => !/^\S[^]+\n\nWhat to do: \S/.test(text));
    expect(unhelpful.map(({ code }) => code)).toEqual([]);
  });
});
