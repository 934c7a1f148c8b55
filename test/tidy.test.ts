/**
 * Properties of the code itself: which area may know which, how long a file may be, what may not be left
 * lying about. A rule is a function from files to offences, and each is shown an offender before it judges
 * the project: a rule that finds nothing in it would find nothing at all.
 */
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import {
  CODE_AREAS,
  codeFiles,
  importsOf,
  lineAt,
  projectFiles,
  type Import,
  type SourceFile,
} from "./docs/source-files.ts";

const LINES_MAX = 400;
/** Tests are lists of independent claims: longer ones are no harder to read. */
const TEST_LINES_MAX = 600;
/** How a longer file's head comment begins to say why it is one. */
const REASON_FOR_LENGTH = "One file";

interface Rule {
  readonly claim: string;
  readonly files: () => readonly SourceFile[];
  /** Where and what, one per offence. */
  readonly offences: (files: readonly SourceFile[]) => readonly string[];
  /** Each of these offends, once. */
  readonly offenders: readonly SourceFile[];
}

const file = (path: string, text: string): SourceFile => ({ path, text });
const areaOf = (path: string): string => path.split("/", 1)[0]!;
const isTest = (path: string): boolean => path.startsWith("test/");

/** This file shows offenders to its rules, and would be taken for one. */
const isOther = ({ path }: SourceFile): boolean => path !== "test/tidy.test.ts";
const everything = (): SourceFile[] => projectFiles().filter(isOther);
const sources = (): SourceFile[] => codeFiles(...CODE_AREAS);
const guestSources = (): SourceFile[] => codeFiles("modules-as");
const tests = (): SourceFile[] => codeFiles("test").filter(isOther);

function offendingImports(
  files: readonly SourceFile[],
  isOffence: (found: Import, path: string) => boolean,
): string[] {
  return files.flatMap((source) =>
    importsOf(source)
      .filter((found) => isOffence(found, source.path))
      .map(({ specifier, line }) => `${source.path}:${line}: imports "${specifier}"`),
  );
}

function offendingText(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].map((match) => `${path}:${lineAt(text, match.index)}: ${match[0].trim()}`),
  );
}

/** The faces through which an area may be reached from another. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  abi: [],
  hub: ["abi/index.ts"],
  host: ["abi/index.ts", "hub/index.ts"],
  toolchain: ["abi/index.ts", "host/index.ts", "hub/index.ts"],
};
/** Types of the hub's face, without the thread that comes with its index. */
const HUB_TYPES = "hub/face.ts";
/** What an area may want of Node when it must not reach anything. */
const PURE_NODE = new Set(["node:crypto"]);

function crossesWrongly({ target, isType }: Import, path: string): boolean {
  const area = areaOf(path);
  if (target === null || areaOf(target) === area) return false;
  if (target === HUB_TYPES && isType && area === "host") return false;
  return !MAY_IMPORT[area]!.includes(target);
}

/** Folders of an area, by the files of each that another of them needs at run time. */
function folderCycles(files: readonly SourceFile[]): string[] {
  const edges = new Map<string, Set<string>>();
  for (const source of files) {
    const from = posix.dirname(source.path);
    for (const { target, isType } of importsOf(source)) {
      if (target === null || isType) continue;
      const to = posix.dirname(target);
      // The files of an area's own folder put the others together: they may know all, and be known by all.
      if (from === to || !from.includes("/") || !to.includes("/")) continue;
      edges.set(from, (edges.get(from) ?? new Set()).add(to));
    }
  }
  const reaches = (from: string, to: string, seen: Set<string>): boolean =>
    [...(edges.get(from) ?? [])].some(
      (next) => next === to || (!seen.has(next) && reaches(next, to, seen.add(next))),
    );
  return [...edges.keys()].filter((folder) => reaches(folder, folder, new Set()));
}

function headComment(text: string): string {
  const body = text.replace(/^#!.*\n/, "");
  return /^(?:\/\*\*?[\s\S]*?\*\/|(?:\/\/.*\n)+)/.exec(body)?.[0] ?? "";
}

function tooLong({ path, text }: SourceFile): boolean {
  const lines = text.split("\n").length - 1;
  return (
    lines > (isTest(path) ? TEST_LINES_MAX : LINES_MAX) && !headComment(text).includes(REASON_FOR_LENGTH)
  );
}

const LEFTOVER = /\b(?:TODO|FIXME|XXX|HACK)\b/g;
const MACHINE_PATH = /(?<![\w./:-])\/(?:home|root|Users|mnt|workspace|work)\/.*/g;
const REGISTRY = /\b(?:npmjs\.(?:org|com)|npmmirror|jfrog|ghcr\.io|docker\.io|quay\.io)\b.*/g;

const RULES: readonly Rule[] = [
  {
    claim: "an area imports only those below it, and only through their faces",
    files: sources,
    offences: (files) => offendingImports(files, crossesWrongly),
    offenders: [
      file("abi/a.ts", 'import { Hub } from "../hub/index.ts";'),
      file("hub/a.ts", 'import { x } from "../host/index.ts";'),
      file("hub/mqtt/a.ts", 'export {\n  x,\n} from "../../abi/frame.ts";'),
      file("host/a.ts", 'import { Engine } from "../hub/engine.ts";'),
      file("host/b.ts", 'import { STORE_DEFAULTS } from "../hub/face.ts";'),
      file("host/c.ts", 'const late = await import("../toolchain/index.ts");'),
      file("toolchain/a.ts", 'import "../host/gateway/gateway.ts";'),
    ],
  },
  {
    claim: "the contract reaches nothing: no packages, and of Node only what computes",
    files: () => codeFiles("abi"),
    offences: (files) =>
      offendingImports(files, ({ specifier, target }) => target === null && !PURE_NODE.has(specifier)),
    offenders: [
      file("abi/a.ts", 'import { readFileSync } from "node:fs";'),
      file("abi/b.ts", 'import type { Database } from "lmdb";'),
    ],
  },
  {
    claim: "the toolchain loads host and hub only when a command needs them",
    files: () => codeFiles("toolchain"),
    offences: (files) =>
      offendingImports(
        files,
        ({ target, isType, isLazy }) =>
          target !== null && ["host", "hub"].includes(areaOf(target)) && !isType && !isLazy,
      ),
    offenders: [file("toolchain/operate/a.ts", 'import { createGateway } from "../../host/index.ts";')],
  },
  {
    claim: "a guest imports the SDK and its own files",
    files: guestSources,
    offences: (files) =>
      offendingImports(files, ({ specifier, target }, path) => {
        if (target === null) return !/^@sandpiper\/module(?:\/|$)/.test(specifier);
        const [own, into] = [path, target].map((at) =>
          at.split("/").slice(0, at.includes("/stock/") ? 3 : 2),
        );
        return own!.join("/") !== into!.join("/");
      }),
    offenders: [
      file("modules-as/sdk/a.ts", 'import { ENTRY } from "../../abi/layout.ts";'),
      file("modules-as/stock/one/assembly/a.ts", 'import { x } from "../../two/assembly/index";'),
      file("modules-as/sdk/b.ts", 'import { JSON } from "json-as";'),
    ],
  },
  {
    claim: "no folder needs, at run time, one that needs it",
    files: sources,
    offences: folderCycles,
    offenders: [
      file("hub/one/a.ts", 'import { b } from "../two/b.ts";'),
      file("hub/two/b.ts", 'import { a } from "../one/a.ts";'),
    ],
  },
  {
    claim: `a file has at most ${LINES_MAX} lines, a test ${TEST_LINES_MAX}, unless its head says why it is one`,
    files: () => [...sources(), ...guestSources(), ...tests()],
    offences: (files) => files.filter(tooLong).map(({ path }) => path),
    offenders: [
      file("hub/a.ts", `/** Long. */\n${"x;\n".repeat(LINES_MAX)}`),
      file("test/a.test.ts", "x;\n".repeat(TEST_LINES_MAX + 1)),
    ],
  },
  {
    claim: "every source begins with a comment that says what it is for",
    // The first file of somebody's new project is theirs to describe.
    files: () => [...sources(), ...guestSources()].filter(({ path }) => !path.includes("/template/")),
    offences: (files) => files.filter(({ text }) => headComment(text) === "").map(({ path }) => path),
    offenders: [file("hub/a.ts", "export const a = 1;\n"), file("hub/b.ts", "#!/usr/bin/env node\nrun();\n")],
  },
  {
    claim: "a file is named after what it holds, in kebab case",
    files: () => [...sources(), ...guestSources(), ...tests()],
    offences: (files) =>
      files
        .map(({ path }) => path)
        .filter((path) => {
          const name = posix.basename(path).replace(/(?:\.test)?\.ts$/, "");
          return (
            !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name) || /^(?:utils?|common|helpers?|misc|shared)$/.test(name)
          );
        }),
    offenders: [file("hub/utils.ts", ""), file("test/hub/moduleLink.test.ts", "")],
  },
  {
    claim: "no marker of unfinished work is left",
    files: everything,
    offences: (files) => offendingText(files, LEFTOVER),
    offenders: [file("hub/a.ts", "// TODO: later"), file("docs/a.md", "FIXME soon")],
  },
  {
    claim: "only a command writes to the console",
    files: sources,
    offences: (files) =>
      offendingText(files, /^.*(?<!["'.])\b(?:console\.\w+\(|debugger\b).*/gm).filter(
        (offence) => !offence.startsWith("toolchain/"),
      ),
    offenders: [file("hub/a.ts", '  console.log("here");'), file("host/a.ts", "  debugger;")],
  },
  {
    claim: "no test runs alone, and none is left out without a reason",
    files: tests,
    offences: (files) => offendingText(files, /\b(?:test|describe|it)(?:\.\w+)*\.(?:only|skip|todo)\b/g),
    offenders: [file("test/a.test.ts", 'test.only("x", run);'), file("test/b.test.ts", 'it.skip("y");')],
  },
  {
    claim: "the name of a test is a claim, not an intention",
    files: tests,
    offences: (files) =>
      offendingText(files, /\b(?:test|it|describe)(?:\.\w+)*\(\s*["'`][^"'`\n]*\b(?:should|works?)\b.*/g),
    offenders: [file("test/a.test.ts", 'test("it should be fast", run);')],
  },
  {
    claim: "nothing speaks of another machine: no path into somebody's folders, no registry's name",
    files: everything,
    offences: (files) => [...offendingText(files, MACHINE_PATH), ...offendingText(files, REGISTRY)],
    offenders: [file("docs/a.md", "in /home/me/file"), file(".npmrc", "registry=ghcr.io")],
  },
];

describe("tidy", () => {
  test.for(RULES.map((rule) => [rule.claim, rule] as const))("%s", ([, { files, offences, offenders }]) => {
    expect(offences(offenders), "the rule catches its offenders").toHaveLength(offenders.length);
    const judged = files();
    expect(judged.length).toBeGreaterThan(5);
    expect(offences(judged)).toEqual([]);
  });
});
