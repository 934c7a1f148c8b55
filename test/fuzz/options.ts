/** The command line of `npm run fuzz`. */
import { seedOf, UsageError, valuesOf, whole } from "../support/command-line.ts";

const SECONDS_DEFAULT = 60;
const SECONDS_MAX = 24 * 3600;

export const USAGE = `usage: npm run fuzz -- [options]

  --seconds N    how long (${SECONDS_DEFAULT})
  --seed S       to have the same streams again (random)
  --replay FILE  instead: the streams that a run has left in a file, once
  --mutants      instead: hubs with one guard left out each, which must be caught
  --json         the last line as JSON
`;

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

type Values = ReturnType<typeof valuesOf<typeof OPTIONS>>;

/** @throws {UsageError} */
export function parseCommand(args: readonly string[]): FuzzCommand {
  const values = valuesOf(args, OPTIONS);
  const { seed, json = false } = values;
  return {
    task: taskOf(values),
    seed: seedOf(seed),
    isJson: json,
  };
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
