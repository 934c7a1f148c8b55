/**
 * The project's own files as text, and what they import: for tests that judge code and documents themselves.
 * Reads what is in the checkout, so that it needs neither a build nor git.
 */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";

export interface SourceFile {
  /** From the root of the project, with slashes. */
  readonly path: string;
  readonly text: string;
}

export const CODE_AREAS = ["abi", "hub", "host", "toolchain"] as const;
const ROOT = new URL("../../", import.meta.url);
const FOLDERS = [...CODE_AREAS, "modules-as", "test", "docs", ".ci"];
/** Made by tools: not ours to judge. */
const GENERATED = new Set(["node_modules", "dist", "build", ".build"]);

export const readText = (path: string): string => readFileSync(new URL(path, ROOT), "utf8");

function pathsUnder(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, ROOT), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (!entry.isDirectory()) return entry.isFile() ? [path] : [];
    return GENERATED.has(entry.name) ? [] : pathsUnder(path);
  });
}

/** Every file of ours: those of the folders above, and those beside `package.json`. */
export function projectPaths(): string[] {
  const atRoot = readdirSync(ROOT, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name !== ".git",
  );
  return [...atRoot.map(({ name }) => name), ...FOLDERS.flatMap(pathsUnder)];
}

const read = (path: string): SourceFile => ({ path, text: readText(path) });

export const projectFiles = (): SourceFile[] =>
  projectPaths()
    .filter((path) => !/\.(?:wasm|mdb)$/.test(path))
    .map(read);

/** TypeScript and AssemblyScript, without declarations. */
export const codeFiles = (...folders: readonly string[]): SourceFile[] =>
  folders
    .flatMap(pathsUnder)
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
    .map(read);

export interface Import {
  /** As written; `target` is the file that a relative one leads to, from the root of the project. */
  readonly specifier: string;
  readonly target: string | null;
  readonly line: number;
  /** Gone once types are stripped. */
  readonly isType: boolean;
  /** `import()`: loaded when it is reached. */
  readonly isLazy: boolean;
}

// Prettier puts every static import at the start of a line and in double quotes; TypeScript 7 has no parser to ask.
const STATIC = /^(?:import|export)\b(\s+type\b)?[^"';]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"/gm;
const DYNAMIC = /(\btypeof\s+)?\bimport\(\s*"([^"]+)"\s*\)/g;

export function importsOf({ path, text }: SourceFile): Import[] {
  const found = (match: RegExpMatchArray, isLazy: boolean): Import => {
    const specifier = match[2] ?? match[3]!;
    const target = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : null;
    const isType = match[1] !== undefined;
    return { specifier, target, line: lineAt(text, match.index!), isType, isLazy };
  };
  const all = [
    ...[...text.matchAll(STATIC)].map((match) => found(match, false)),
    ...[...text.matchAll(DYNAMIC)].map((match) => found(match, true)),
  ];
  // Code that code writes has its names filled in.
  return all.filter(({ specifier }) => !specifier.includes("${"));
}

/** From 1. */
export const lineAt = (text: string, index: number): number => text.slice(0, index).split("\n").length;

/** `lmdb` of `lmdb`, `@wasmer/wasi` of `@wasmer/wasi/lib`; `null` for files and for modules of Node. */
export function packageOf({ specifier }: Pick<Import, "specifier">): string | null {
  if (specifier.startsWith(".") || specifier.startsWith("node:")) return null;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
