/**
 * `npm run fuzz`: says mutated streams to a hub, and watches that it serves those who behave. Progress goes to stderr,
 * the last line to stdout.
 *
 * Exit code 0: the hub stayed up, within its memory, the canaries were served, and the streams got deep enough, or each
 * mutant was caught; 1: not so; 2: usage.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareReaders } from "../hub/mqtt/differential.ts";
import { figuresLine, figuresTable, type Outcome } from "./figures.ts";
import { runFuzz, type FuzzResult } from "./fuzz.ts";
import { culpritOf, Trials } from "./minimize.ts";
import { MUTANTS, tryMutant } from "./mutants.ts";
import { parseCommand, USAGE, type FuzzCommand } from "./options.ts";
import { UsageError } from "../support/command-line.ts";
import { readStreams, StreamFileError, writeStreams } from "./stream-file.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** Streams that our reader of PUBLISH and mqtt-packet are given before the run. */
const READER_ROUNDS = 2_000;

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Whether all is well. */
async function main({ task, seed, isJson }: FuzzCommand): Promise<boolean> {
  switch (task.kind) {
    case "run":
      return run(seed, task.seconds, isJson);
    case "replay":
      return replay(task.file, isJson);
    case "mutants":
      return mutants(seed, isJson);
  }
}

async function run(seed: number, seconds: number, isJson: boolean): Promise<boolean> {
  say(`seed ${seed}`);
  const disagreements = await compareReaders(seed, READER_ROUNDS);
  for (const line of disagreements) say(line);
  const onProgress = (outcome: Outcome): void => say(figuresLine(outcome));
  const result = await runFuzz({ seed, seconds, onProgress });
  say(figuresTable(result));
  for (const breach of result.breaches) say(breach);
  if (result.suspects.length > 0) say(await keep(result));
  const breaches = [...disagreements, ...result.breaches];
  const { canaries, peakRiseBytes } = result;
  const { wires, pieces, mutatedPieces } = result.figures;
  print(
    isJson
      ? JSON.stringify({ wires, pieces, mutatedPieces, canaries, peakRiseBytes, breaches, seed })
      : figuresLine(result),
  );
  return breaches.length === 0;
}

/** Leaves in a file what it was, as far as that can be found; says where. */
async function keep({ seed, suspects, breaches }: FuzzResult): Promise<string> {
  const file = join(tmpdir(), `sandpiper-fuzz-${seed}.json`);
  say(`${suspects.length} streams may have caused it; they are tried one by one`);
  const culprit = await culpritOf(seed, suspects);
  if (culprit === null) {
    writeStreams(file, { seed, breaches, streams: suspects });
    return `none of them does it alone: all are in ${file}`;
  }
  writeStreams(file, { seed, breaches: culprit.breaches, streams: [culprit.stream] });
  return `${culprit.breaches.join("; ")}\nnpm run fuzz -- --replay ${file}`;
}

async function replay(file: string, isJson: boolean): Promise<boolean> {
  const { seed, streams } = readStreams(file);
  await using trials = new Trials(seed);
  const breaches = await trials.breachesOf(streams);
  for (const breach of breaches) say(breach);
  print(
    isJson
      ? JSON.stringify({ streams: streams.length, breaches, seed })
      : `${streams.length} streams sent again: ${breaches.length} breaches, seed ${seed}`,
  );
  return breaches.length === 0;
}

async function mutants(seed: number, isJson: boolean): Promise<boolean> {
  const escaped: string[] = [];
  for (const mutant of MUTANTS) {
    const { isCaught, story } = await tryMutant(mutant, seed);
    say(`a hub that ${mutant.name}: ${isCaught ? "caught" : "not caught"}: ${story || "nothing was found"}`);
    if (!isCaught) escaped.push(mutant.name);
  }
  const caught = MUTANTS.length - escaped.length;
  print(
    isJson
      ? JSON.stringify({ mutants: MUTANTS.length, caught, escaped, seed })
      : `${MUTANTS.length} mutants: ${caught} caught, ${escaped.length} not, seed ${seed}`,
  );
  return escaped.length === 0;
}

// What was begun is put away at the exit, which a signal alone would not come to.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(EXIT_FAILED));

try {
  if (!(await main(parseCommand(process.argv.slice(2))))) process.exitCode = EXIT_FAILED;
} catch (error) {
  if (error instanceof UsageError) {
    say(`${error.message}\n\n${USAGE}`);
    process.exitCode = EXIT_USAGE;
  } else if (error instanceof StreamFileError) {
    say(error.message);
    process.exitCode = EXIT_FAILED;
  } else throw error;
}
