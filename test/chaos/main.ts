/**
 * `npm run chaos`: kills gateways, and judges what they do. Progress goes to stderr, the last line to stdout.
 *
 * Exit code 0: nothing was lost, doubled or otherwise breached, and each mutant was caught; 1: not so; 2: usage.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { faultyDiskMissing } from "../support/faults/faulty-disk.ts";
import { runChaos } from "./chaos.ts";
import { drawsOf } from "./draws.ts";
import { figuresLine, isClean, type Figures } from "./figures.ts";
import { tryMutant } from "./mutants.ts";
import { MUTATIONS } from "./mutations.ts";
import { parseCommand, USAGE, type ChaosCommand, type Task } from "./options.ts";
import { UsageError } from "../support/command-line.ts";
import { SCENARIOS } from "./scenarios/index.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Whether all is well. */
async function main(command: ChaosCommand): Promise<boolean> {
  const { task } = command;
  if (task.kind === "mutants") return mutants(command);
  return task.kind === "rounds" ? rounds(task, command) : scenario(task, command);
}

async function rounds(
  task: Task & { readonly kind: "rounds" },
  { seed, backend, isJson }: ChaosCommand,
): Promise<boolean> {
  const onProgress = (figures: Figures): void => say(figuresLine(figures));
  const { figures, story } = await runChaos({ rounds: task.rounds, seed, store: { backend }, onProgress });
  for (const line of story) say(line);
  print(isJson ? JSON.stringify(figures) : figuresLine(figures));
  return isClean(figures);
}

async function scenario(
  { name, durationMs }: Task & { readonly kind: "scenario" },
  { seed, backend, isJson }: ChaosCommand,
): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "sandpiper-scenario-"));
  const below = drawsOf(seed, 0);
  const { breaches, line } = await SCENARIOS[name]!({ folder, durationMs, below, store: { backend } });
  for (const breach of breaches) say(breach);
  if (breaches.length > 0) say(`seed ${seed}, folder ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  print(
    isJson
      ? JSON.stringify({ scenario: name, backend, result: line, breaches, seed })
      : `${name} on ${backend}: ${line}, seed ${seed}`,
  );
  return breaches.length === 0;
}

async function mutants({ seed, isJson }: ChaosCommand): Promise<boolean> {
  const missing = faultyDiskMissing();
  if (missing !== null) throw new UsageError(`--mutants: ${missing}`);
  const escaped: string[] = [];
  for (const [i, mutation] of MUTATIONS.entries()) {
    const { isCaught, trials, story } = await tryMutant(mutation, seed + i);
    say(`a hub that ${mutation.name}: ${isCaught ? `caught in trial ${trials}` : "not caught"}`);
    if (isCaught) continue;
    escaped.push(mutation.name);
    say(story === "" ? "nothing was found" : story);
  }
  const caught = MUTATIONS.length - escaped.length;
  print(
    isJson
      ? JSON.stringify({ mutants: MUTATIONS.length, caught, escaped, seed })
      : `${MUTATIONS.length} mutants: ${caught} caught, ${escaped.length} not, seed ${seed}`,
  );
  return escaped.length === 0;
}

// What was begun is put away at the exit, which a signal alone would not come to.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(EXIT_FAILED));

try {
  if (!(await main(parseCommand(process.argv.slice(2))))) process.exitCode = EXIT_FAILED;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  say(`${error.message}\n\n${USAGE}`);
  process.exitCode = EXIT_USAGE;
}
