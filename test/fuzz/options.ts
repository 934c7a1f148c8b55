/** The command line of `npm run fuzz`. */
import { parseArgs } from "node:util";

const SEED_MAX = 2 ** 31 - 1;
const SECONDS_DEFAULT = 60;
const SECONDS_MAX = 24 * 3600;

export const USAGE = `usage: npm run fuzz -- [options]

  --seconds N    how long (${SECONDS_DEFAULT})
  --seed S       to have the same streams again (random)
  --replay FILE  instead: the streams that a run has left in a file, once
  --mutants      instead: hubs with one guard left out each, which must be caught
  --json         the last line as JSON
`;

export class UsageError extends Error {}

export type Task =
  | { readonly kind: "run"; readonly seconds: number }
  | { readonly kind: "replay"; readonly file: string }
  | { readonly kind: "mutants" };

export interface FuzzCommand {
  readonly task: Task;
  readonly seed: number;
  readonly isJson: boolean;
}

const OPTIONS = {
  seconds: { type: "string" },
  seed: { type: "string" },
  replay: { type: "string" },
  mutants: { type: "boolean" },
  json: { type: "boolean" },
} as const;

type Values = ReturnType<typeof valuesOf>;

/** @throws {UsageError} */
export function parseCommand(args: readonly string[]): FuzzCommand {
  const values = valuesOf(args);
  const { seed, json = false } = values;
  return {
    task: taskOf(values),
    seed: seed === undefined ? Math.floor(Math.random() * SEED_MAX) : whole("seed", seed, 0, SEED_MAX),
    isJson: json,
  };
}

function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function taskOf({ seconds, seed, replay, mutants }: Values): Task {
  if (replay !== undefined) {
    refuse("--replay", { "--seconds": seconds, "--seed": seed, "--mutants": mutants });
    return { kind: "replay", file: replay };
  }
  if (mutants === true) {
    refuse("--mutants", { "--seconds": seconds });
    return { kind: "mutants" };
  }
  return { kind: "run", seconds: whole("seconds", seconds ?? `${SECONDS_DEFAULT}`, 1, SECONDS_MAX) };
}

function refuse(beside: string, options: Readonly<Record<string, string | boolean | undefined>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) throw new UsageError(`${name}: not beside ${beside}`);
  }
}

function whole(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw new UsageError(`--${name} "${text}": expected a whole number from ${min} to ${max}`);
}
