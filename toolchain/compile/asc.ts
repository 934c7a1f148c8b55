/**
 * The AssemblyScript compiler, as far as we use it. Its own declarations stay out of the build, so that a
 * gateway without the compiler still type-checks and runs; it is loaded when something is compiled.
 */
import { CompileError } from "../errors.ts";

/** A source file of the compiler's syntax tree. */
export interface AscSource extends AscNode {
  /** 0 = user file, 1 = user entry (its exports become exports of the module), 2 and 3 = library. */
  sourceKind: number;
  readonly normalizedPath: string;
  readonly text: string;
  readonly statements: readonly AscNode[];
}

export interface AscRange {
  readonly start: number;
  readonly end: number;
  readonly source: AscSource;
}

/** Any node: its own fields depend on `kind`. */
export interface AscNode {
  readonly kind: number;
  readonly range: AscRange;
}

export interface AscParser {
  readonly sources: readonly AscSource[];
  parseFile(text: string, path: string, isEntry: boolean): void;
}

export interface AscDiagnostic {
  readonly message: string;
  readonly code: number;
  /** 3 = error, 2 = warning. */
  readonly category: number;
  readonly range: {
    readonly start: number;
    readonly source: { readonly normalizedPath: string } | null;
  } | null;
}

export interface AscHost {
  readFile(name: string, baseDir: string): Promise<string | null>;
  writeFile(name: string, contents: Uint8Array | string): void;
  listFiles(): null;
  readonly stdout: { write(text: string): void };
  readonly stderr: { write(text: string): void };
  reportDiagnostic(diagnostic: AscDiagnostic): void;
  readonly transforms: readonly { afterParse(parser: AscParser): void }[];
}

export interface Asc {
  readonly version: string;
  main(argv: readonly string[], host: AscHost): Promise<{ readonly error: Error | null }>;
  /** Kinds of nodes, by name. */
  readonly NodeKind: Readonly<Record<string, number>>;
  readonly CommonFlags: Readonly<Record<string, number>>;
}

/** @throws {CompileError} SP_COMPILER when the compiler is not installed. */
export async function loadCompiler(): Promise<Asc> {
  // Not literals: the build must not look into the package.
  const [face, frontend] = ["assemblyscript/asc", "assemblyscript"];
  try {
    const [asc, assemblyscript] = (await Promise.all([import(face), import(frontend)])) as [
      Pick<Asc, "version" | "main">,
      Pick<Asc, "NodeKind" | "CommonFlags">,
    ];
    const { NodeKind, CommonFlags } = assemblyscript;
    return { version: asc.version, main: asc.main, NodeKind, CommonFlags };
  } catch (cause) {
    throw new CompileError("SP_COMPILER", "the AssemblyScript compiler could not be loaded", {
      cause,
      hint: "install it beside sandpiper: npm install assemblyscript (gateways do without it)",
    });
  }
}

/** The compiler crashed, as opposed to refused. */
export class CompilerCrash extends Error {}

/** Compilations that run, and what they replaced. */
let running = 0;
let restore: () => void = () => {};

/**
 * Runs the compiler, which prints a page and ends the whole process when it crashes. Here that is an error of
 * ours: a process that compiles may be serving somebody else.
 *
 * @throws {CompilerCrash} with the compiler's words.
 */
export async function withoutExit<T>(run: () => Promise<T>): Promise<T> {
  if (running++ === 0) restore = replaceExit();
  try {
    return await run();
  } finally {
    if (--running === 0) restore();
  }
}

function replaceExit(): () => void {
  const exit = Reflect.get(process, "exit") as typeof process.exit;
  const error = Reflect.get(console, "error") as typeof console.error;
  let words = "";
  console.error = (...parts: unknown[]) => void (words += `${parts.map(String).join(" ")}\n`);
  process.exit = () => {
    throw new CompilerCrash(words);
  };
  return () => {
    process.exit = exit;
    console.error = error;
  };
}
