/** The judge, judged: hubs that break one rule each (`mutations.ts`) are run, and the judge has to catch each. */
import { rmSync } from "node:fs";
import type { StoreConfig } from "../../hub/face.ts";
import { FaultyDisk, type Flush } from "../support/faults/faulty-disk.ts";
import { Mutant } from "../support/faults/mutant.ts";
import { runChaos, type ChaosOptions } from "./chaos.ts";
import type { NamedMutation } from "./mutations.ts";

const ROUNDS = 3;
/** Kills come at random: a mutant that got away with it is tried again. */
const TRIALS_MAX = 6;
/** A flush that takes its time: most kills find one under way. */
const FLUSH_MS: Readonly<Record<Flush, number>> = { data: 15, meta: 15 };
/** A log that goes round within a kill or two, and checkpoints all the time. */
const STORE: Partial<StoreConfig> = {
  backend: "redo",
  logBytes: 256 * 1024,
  checkpointBytes: 32 * 1024,
  checkpointMs: 20,
};

export interface MutantOutcome {
  readonly isCaught: boolean;
  readonly trials: number;
  /** What the judge said last. */
  readonly story: string;
}

export async function tryMutant(
  { mutation, caught, flushMs }: NamedMutation,
  seed: number,
): Promise<MutantOutcome> {
  using mutant = new Mutant(mutation);
  for (let trials = 1; ; trials++) {
    const story = await storyOfTrial(seed + trials, { dist: mutant.dist, flushMs: flushMs ?? FLUSH_MS });
    const isCaught = caught.test(story);
    if (isCaught || trials === TRIALS_MAX) return { isCaught, trials, story };
  }
}

/** A few rounds on a new store on a slow disk: what the judge says, one breach a line; empty when nothing. */
export async function storyOfTrial(
  seed: number,
  {
    dist,
    flushMs = FLUSH_MS,
  }: Pick<ChaosOptions, "dist"> & { readonly flushMs?: Readonly<Record<Flush, number>> } = {},
): Promise<string> {
  using disk = new FaultyDisk("/store");
  for (const kind of ["data", "meta"] as const) disk.delay(kind, flushMs[kind]);
  const { story, folder } = await runChaos({
    rounds: ROUNDS,
    seed,
    store: STORE,
    env: disk.env,
    ...(dist === undefined ? {} : { dist }),
  });
  rmSync(folder, { recursive: true, force: true }); // the store that shows it is of no use
  return story.join("\n");
}
