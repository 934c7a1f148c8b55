/** `docs/decisions/`: their form, and whether the code keeps to what the first of them says of packages. */
import { describe, expect, test } from "vitest";
import { CODE_AREAS, codeFiles, importsOf, packageOf, projectPaths, readText } from "./source-files.ts";

const FOLDER = "docs/decisions/";
/** One page. */
const LINES_MAX = 60;
const SENTENCE_LENGTH_MIN = 30;

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readText("package.json")) as Manifest;
const PAGE = readText(`${FOLDER}0001-dependencies.md`);
const [RUN_TIME = "", DEVELOPMENT = ""] = PAGE.split("\nFor development:\n");

const rowsOf = (part: string): string[][] =>
  [...part.matchAll(/^\| `.*\|$/gm)].map(([row]) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

const unquoted = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);

/** Where each run-time package may be imported. */
const homes = new Map(rowsOf(RUN_TIME).map(([name, where]) => [unquoted(name!)[0]!, unquoted(where!)]));

describe("decisions", () => {
  const paths = projectPaths().filter((path) => path.startsWith(FOLDER));

  test("are numbered without a gap, and have a page each with context, decision and consequences", () => {
    expect(paths.length).toBeGreaterThan(5);
    for (const [i, path] of paths.toSorted().entries()) {
      const number = i + 1;
      expect(path).toMatch(new RegExp(`^${FOLDER}${String(number).padStart(4, "0")}-[a-z0-9-]+\\.md$`));
      const text = readText(path);
      expect(text, path).toMatch(new RegExp(`^# ${number}\\. `));
      expect(text.match(/^## .*$/gm), path).toEqual(["## Context", "## Decision", "## Consequences"]);
      expect(text.split("\n").length, path).toBeLessThanOrEqual(LINES_MAX);
    }
  });
});

describe("packages", () => {
  const used = CODE_AREAS.flatMap((area) => codeFiles(area)).flatMap((source) =>
    importsOf(source).flatMap((found) => {
      const name = packageOf(found);
      return name === null ? [] : [{ name, path: source.path }];
    }),
  );

  test("each have a sentence that says why they are worth having, and an exact version", () => {
    const development = rowsOf(DEVELOPMENT).map(([name]) => unquoted(name!)[0]!);
    expect([...homes.keys()].toSorted()).toEqual(Object.keys(manifest.dependencies).toSorted());
    expect(development.toSorted()).toEqual(Object.keys(manifest.devDependencies).toSorted());
    for (const row of [...rowsOf(RUN_TIME), ...rowsOf(DEVELOPMENT)])
      expect(row.at(-1)!.length).toBeGreaterThan(SENTENCE_LENGTH_MIN);
    const versions = { ...manifest.dependencies, ...manifest.devDependencies };
    for (const [name, version] of Object.entries(versions)) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test("are imported in the folders that the sentence names, and nowhere else", () => {
    expect(used.length).toBeGreaterThan(5);
    const strays = used.filter(
      ({ name, path }) => !homes.get(name)?.some((folder) => path.startsWith(folder)),
    );
    expect(strays).toEqual([]);
  });

  test("are all used", () => {
    for (const [name, folders] of homes) {
      const mentions = codeFiles(...folders.map((folder) => folder.slice(0, -1))).filter(({ text }) =>
        new RegExp(`"${name}["/]`).test(text),
      );
      expect(mentions.length, name).toBeGreaterThan(0);
    }
  });

  test("come from wherever the installing machine gets its packages", () => {
    const lock = readText("package-lock.json");
    expect(lock).toContain('"integrity"');
    expect(lock).not.toContain('"resolved"');
  });
});
