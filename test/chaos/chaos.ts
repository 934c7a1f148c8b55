/**
 * A chaos run: rounds, on as many stores as they take, each with a topology of its own. It ends at the first breach,
 * and the store that shows it is kept.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STORE_DEFAULTS, type StoreConfig } from "../../hub/face.ts";
import { writeArtifact } from "./artifact.ts";
import { breaches, type Breach } from "./checker.ts";
import { runEpisode, type EpisodeOptions } from "./episode.ts";
import { noFigures, withPart, type Figures } from "./figures.ts";
import { storyOf } from "./story.ts";

/** Lives of one store before it is drained and judged. */
const ROUNDS_PER_STORE = 8;

export interface ChaosOptions extends Pick<EpisodeOptions, "dist" | "env"> {
  readonly rounds: number;
  readonly seed: number;
  readonly store?: Partial<StoreConfig>;
  /** Of each store that was judged. */
  readonly onProgress?: (figures: Figures) => void;
  readonly roundsPerStore?: number;
  /** Where the stores lie; a temporary folder unless said otherwise. */
  readonly folder?: string;
}

export interface ChaosOutcome {
  readonly figures: Figures;
  readonly breaches: readonly Breach[];
  /** For whoever has to find the cause; empty when nothing was breached. */
  readonly story: readonly string[];
  /** Where the stores lie; gone unless something was breached. */
  readonly folder: string;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const { rounds, seed, onProgress = () => undefined, roundsPerStore = ROUNDS_PER_STORE } = options;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "sandpiper-chaos-"));
  let figures = noFigures(seed, options.store?.backend ?? STORE_DEFAULTS.backend);
  const wasmFile = await writeArtifact(folder);
  for (let begun = 0, number = 0; begun < rounds; begun += roundsPerStore, number++) {
    const storeDir = join(folder, `store${number}`);
    mkdirSync(storeDir);
    const part = { rounds: Math.min(roundsPerStore, rounds - begun) };
    const drawn = { ...part, storeDir, wasmFile, seed: seed + number };
    const { history, recoveryMsMax } = await runEpisode({ ...options, ...drawn });
    const found = breaches(history);
    figures = withPart(figures, { ...part, history, breaches: found, recoveryMsMax });
    onProgress(figures);
    if (found.length > 0) {
      const where = `seed ${seed}, rounds ${begun} to ${begun + part.rounds - 1}, store ${storeDir}`;
      const story = [where, ...found.flatMap((breach) => storyOf(breach, history))];
      return { figures, breaches: found, story, folder };
    }
    rmSync(storeDir, { recursive: true });
  }
  rmSync(folder, { recursive: true });
  return { figures, breaches: [], story: [], folder };
}
