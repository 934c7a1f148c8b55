/**
 * The measuring itself: rounds in which every server gets the same load, one after the other (A, B, C, A, B, C...).
 * A machine that slows down for a while then slows down all of them.
 *
 * All servers run from the first round to the last, and each is under load for the warm-up before anything counts:
 * an engine that has not compiled its hot loops yet is not what is measured.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SandpiperError } from "../../abi/index.ts";
import { diskStatistics, flushMicros } from "./disk.ts";
import { LOADS, type LoadName } from "./loads.ts";
import { runLoad, type LoadResult, type LoadShape, type LoadTimes } from "./load.ts";
import type { Peer, RunningPeer } from "./peer.ts";
import type { SlowDisk } from "./slow-disk.ts";
import { median } from "./statistics.ts";

/** For what the last load left behind: a server may still be writing. */
const SETTLE_MS = 200;
const FLUSHES_PER_ROUND = 60;

export interface Plan {
  readonly loads: readonly LoadName[];
  readonly rounds: number;
  readonly times: LoadTimes;
  /** On the disk that is to be measured. Exists; stays the caller's. */
  readonly folder: string;
  /** What every server is run on, where the disk as it is is not what is asked for. */
  readonly slowDisk?: SlowDisk | null;
}

export interface Sample {
  readonly peer: string;
  readonly load: LoadName;
  readonly round: number;
  readonly result: LoadResult;
}

export interface Measurement {
  readonly samples: readonly Sample[];
  /** What gave no result at all, such as "aedes 20x100, round 2: connect to 127.0.0.1:1883: refused". */
  readonly failures: readonly string[];
  /** As an event loop sees it, see `flushMicros`. */
  readonly flushMicros: number;
}

/** Every peer must be available. They are stopped however this ends. */
export async function measureRounds(
  peers: readonly Peer[],
  plan: Plan,
  progress: (line: string) => void,
): Promise<Measurement> {
  const running = new Map<string, RunningPeer>();
  const samples: Sample[] = [];
  const failures: string[] = [];
  const flushes: number[] = [];
  // A server that fails is a finding about that server; the others can still be measured.
  const failed = (what: string) => (error: unknown) => {
    if (!(error instanceof SandpiperError)) throw error;
    failures.push(`${what}: ${error.message}`);
  };
  try {
    for (const peer of peers) {
      const server = await startIn(peer, plan).catch(failed(peer.name));
      if (server !== undefined) running.set(peer.name, server);
    }
    for (let round = 1; round <= plan.rounds; round++) {
      flushes.push(await flushMicros(plan.folder, FLUSHES_PER_ROUND));
      for (const load of plan.loads) {
        for (const [peer, server] of running) {
          progress(`round ${round}/${plan.rounds}  ${load}  ${peer}`);
          await delay(SETTLE_MS);
          const result = await measureOne(server, load, plan).catch(
            failed(`${peer} ${load}, round ${round}`),
          );
          if (result !== undefined) samples.push({ peer, load, round, result });
        }
      }
    }
  } finally {
    for (const server of running.values()) await server.stop();
  }
  // The bench itself is on the disk as it is.
  const delayMicros = (plan.slowDisk?.delayMs ?? 0) * 1000;
  return { samples, failures, flushMicros: median(flushes) + delayMicros };
}

function startIn(peer: Peer, { folder: parent, slowDisk }: Plan): Promise<RunningPeer> {
  const folder = join(parent, peer.name);
  mkdirSync(folder, { recursive: true });
  return peer.start(folder, slowDisk?.env);
}

function measureOne({ target }: RunningPeer, load: LoadName, plan: Plan): Promise<LoadResult> {
  // The device counts what really arrives there; the process, more than that (whole dirtied folios).
  const disk = diskStatistics(plan.folder) ?? `/proc/${target.pid}/io`;
  const shape: LoadShape = LOADS[load];
  const warmup = Math.max(plan.times.warmup, shape.warmupMin ?? 0);
  return runLoad({ ...target, disk }, shape, { ...plan.times, warmup });
}
