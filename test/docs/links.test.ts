/** What one page or comment says about another file of the project, that file is there. */
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { CODE_AREAS, codeFiles, projectFiles, projectPaths, type SourceFile } from "./source-files.ts";

const paths = projectPaths();
const isThere = (to: string): boolean => {
  const file = to.replace(/\/$/, "");
  return paths.some((path) => path === file || path.startsWith(`${file}/`));
};

const pages = projectFiles().filter(({ path }) => path.endsWith(".md"));
/** Pages of a project made by `sandpiper new` speak of that project. */
const ownPages = pages.filter(({ path }) => !path.startsWith("modules-as/template/"));

const AREAS = [...CODE_AREAS, "modules-as", "test", "docs"].join("|");
const PATH_IN_PROSE = new RegExp("`((?:" + AREAS + ")/[\\w./-]*)`", "g");
const PAGE_IN_COMMENT = /(?<![\w/.-])((?:docs|abi)\/[\w/-]+\.md)\b/g;

function dead(files: readonly SourceFile[], pattern: RegExp, resolve: (at: string, to: string) => string) {
  let seen = 0;
  const missing = files.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].flatMap(([, to]) => {
      seen++;
      return isThere(resolve(path, to!)) ? [] : [`${path}: ${to}`];
    }),
  );
  return { seen, missing };
}

describe("a reference", () => {
  test("by a link leads to a file, and to a heading when it names one", () => {
    const { seen, missing } = dead(ownPages, /\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g, (at, to) =>
      posix.join(posix.dirname(at), to),
    );
    expect(seen).toBeGreaterThan(3);
    expect(missing).toEqual([]);
    const headings = new Map(pages.map(({ path, text }) => [path, anchorsOf(text)]));
    const lost = ownPages.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\((?!https?:)([^)#\s]*)#([^)]+)\)/g)]
        .filter(([, to, anchor]) => {
          const page = to === "" ? path : posix.join(posix.dirname(path), to!);
          return !headings.get(page)?.has(anchor!);
        })
        .map(([link]) => `${path}: ${link}`),
    );
    expect(lost).toEqual([]);
  });

  test("by a path in a page's prose leads to a file or folder", () => {
    const { seen, missing } = dead(ownPages, PATH_IN_PROSE, (_at, to) => to);
    expect(seen).toBeGreaterThan(20);
    expect(missing).toEqual([]);
  });

  test("from code to a page leads to one", () => {
    const { seen, missing } = dead(codeFiles(...CODE_AREAS), PAGE_IN_COMMENT, (_at, to) => to);
    expect(seen).toBeGreaterThan(1);
    expect(missing).toEqual([]);
  });
});

/** As GitHub makes them: lower case, no punctuation, hyphens for blanks. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}
