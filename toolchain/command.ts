/**
 * What a command is. Commands are light: what they need to run they import when they run, so that help costs
 * nothing.
 */
import type { ParseArgsConfig } from "node:util";

export { UsageError } from "./errors.ts";

type Option = NonNullable<ParseArgsConfig["options"]>[string];

export interface Context {
  /** Options as `options` declares them; `help` and `json` are taken out. */
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
  /** Print one JSON value instead of text. */
  readonly json: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One line, or several, to stdout: what was asked for. */
  readonly out: (text: string) => void;
  /** The same to stderr: progress, warnings. */
  readonly err: (text: string) => void;
  /** One line of an answer, or `null` when nobody sits at a terminal. */
  readonly ask: (question: string) => Promise<string | null>;
}

export interface Command {
  /** One word, or two: `queue list`. */
  readonly name: string;
  readonly group: "develop" | "operate";
  /** Half a line, lower case. */
  readonly summary: string;
  readonly usage: string;
  readonly example: string;
  /** For `parseArgs` of node:util; `description` is shown by --help. */
  readonly options: Readonly<Record<string, Option & { readonly description?: string }>>;
  /** Resolves to the exit code: 0 done, 1 failed. @throws {SandpiperError} printed with place and hint, exit code 1; {UsageError} 2. */
  run(context: Context): Promise<number>;
}

export const EXIT = { DONE: 0, FAILED: 1, USAGE: 2 } as const;
