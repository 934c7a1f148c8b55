/** The command line of `npm run chaos`. */
import type { StoreConfig } from "../../hub/face.ts";
import { seedOf, UsageError, valuesOf, whole } from "../support/command-line.ts";
import { SCENARIOS } from "./scenarios/index.ts";

/** Those that keep what they are given. */
const BACKENDS = ["redo", "lmdb"] as const satisfies readonly StoreConfig["backend"][];
const ROUNDS_MAX = 1_000_000;
const MINUTES_MAX = 24 * 60;
const NAMES = Object.keys(SCENARIOS).join(", ");

export const USAGE = `usage: npm run chaos -- [options]

  --rounds N       lives that end by SIGKILL (15)
  --scenario NAME  instead: ${NAMES}
  --minutes M      how long a scenario goes on (1)
  --mutants        instead: hubs that break one rule each, which must be caught
  --backend NAME   of the store: ${BACKENDS.join(", ")} (${BACKENDS[0]})
  --seed S         to have the same draws again (random)
  --json           the last line as JSON
`;

export type Task =
  | { readonly kind: "rounds"; readonly rounds: number }
  | { readonly kind: "scenario"; readonly name: string; readonly durationMs: number }
  | { readonly kind: "mutants" };

export interface ChaosCommand {
  readonly task: Task;
  readonly backend: (typeof BACKENDS)[number];
  readonly seed: number;
  readonly isJson: boolean;
}

const OPTIONS = {
  rounds: { type: "string" },
  scenario: { type: "string" },
  minutes: { type: "string" },
  mutants: { type: "boolean" },
  backend: { type: "string" },
  seed: { type: "string" },
  json: { type: "boolean" },
} as const;

type Values = ReturnType<typeof valuesOf<typeof OPTIONS>>;

/** @throws {UsageError} */
export function parseCommand(args: readonly string[]): ChaosCommand {
  const values = valuesOf(args, OPTIONS);
  const { backend = BACKENDS[0], seed, json = false } = values;
  const known = BACKENDS.find((name) => name === backend);
  if (known === undefined)
    throw new UsageError(`--backend "${backend}": expected one of ${BACKENDS.join(", ")}`);
  return {
    task: taskOf(values),
    backend: known,
    seed: seedOf(seed),
    isJson: json,
  };
}

function taskOf({ rounds, scenario, minutes, mutants, backend }: Values): Task {
  if (mutants === true) {
    refuse("beside --mutants", { "--rounds": rounds, "--scenario": scenario, "--minutes": minutes });
    refuse("beside --mutants", { "--backend": backend }, "which are of the redo log");
    return { kind: "mutants" };
  }
  if (scenario === undefined) {
    refuse("without --scenario", { "--minutes": minutes });
    return { kind: "rounds", rounds: rounds === undefined ? 15 : whole("rounds", rounds, 1, ROUNDS_MAX) };
  }
  refuse("beside --scenario", { "--rounds": rounds });
  if (!Object.hasOwn(SCENARIOS, scenario))
    throw new UsageError(`--scenario "${scenario}": expected one of ${NAMES}`);
  return { kind: "scenario", name: scenario, durationMs: 60_000 * minutesOf(minutes ?? "1") };
}

function refuse(beside: string, options: Readonly<Record<string, string | undefined>>, why?: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    throw new UsageError(`${name}: not ${beside}${why === undefined ? "" : `, ${why}`}`);
  }
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && minutes > 0 && minutes <= MINUTES_MAX) return minutes;
  throw new UsageError(`--minutes "${text}": expected a number above 0, at most ${MINUTES_MAX}`);
}
