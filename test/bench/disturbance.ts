/**
 * What devices notice of the gateway's own housekeeping: the acknowledgements' p99 of a paced load in the seconds in
 * which the store makes a checkpoint, or an artifact is fetched, verified and started, against the other seconds of
 * the same run.
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { writeClients } from "./credentials.ts";
import { startGateway, type Gateway } from "./gateway.ts";
import { faultsOf, runLoad, type LoadResult, type LoadTarget } from "./load.ts";
import { LOADS } from "./loads.ts";
import { median } from "./statistics.ts";
import { DISTURBANCE_TARGETS, judge, type Verdict } from "./targets.ts";
import { WholeGateway } from "./whole-gateway.ts";

export interface DisturbancePlan {
  /** On the disk that is to be measured. Exists; stays the caller's. */
  readonly folder: string;
  /** Long enough for a few checkpoints. */
  readonly checkpointSecs: number;
  readonly applySecs: number;
  /** An engine is compiled by then. */
  readonly warmupSecs: number;
}

export const DISTURBANCE_PLAN: Omit<DisturbancePlan, "folder"> = {
  checkpointSecs: 62,
  applySecs: 20,
  warmupSecs: 8,
};

/** Whether it runs: too short for figures. */
export const QUICK_DISTURBANCE: typeof DISTURBANCE_PLAN = {
  checkpointSecs: 2,
  applySecs: 4,
  warmupSecs: 0.2,
};

/** How often the gateway is asked whether a checkpoint has ended. */
const POLL_MS = 100;
/** A checkpoint that was seen to have ended had begun this much earlier at most. */
const CHECKPOINT_MS_MAX = 500;
/** Between two deployments, so that there are quiet seconds, too. */
const APPLY_PAUSE_MS = 2500;
/** As large as a module with a language's runtime in it. */
const ARTIFACT_BYTES = 8 * 1024 * 1024;

/** When something went on, in the clock of `process.hrtime`, µs. */
export type Interval = readonly [begin: number, end: number];

export interface Disturbance {
  /** How often it happened. */
  readonly times: number;
  /** Medians of the p99 of the seconds with and without it. */
  readonly disturbedP99Micros: number;
  readonly undisturbedP99Micros: number;
  readonly worstP99Micros: number;
}

export interface DisturbanceReport {
  /** null where it did not happen: a store without checkpoints. */
  readonly checkpoint: Disturbance | null;
  readonly apply: Disturbance | null;
  readonly targets: readonly Verdict[];
  readonly faults: readonly string[];
}

export async function disturbanceReport(
  plan: DisturbancePlan,
  progress: (line: string) => void,
): Promise<DisturbanceReport> {
  progress(`checkpoints, ${plan.checkpointSecs} s`);
  const duringCheckpoints = await loadWithCheckpoints(plan);
  progress(`artifacts, ${plan.applySecs} s`);
  const duringApplies = await loadWithApplies(plan);
  const checkpoint = disturbanceOf(duringCheckpoints);
  const apply = disturbanceOf(duringApplies);
  const milliseconds = (found: Disturbance | null) =>
    found === null ? null : found.disturbedP99Micros / 1000;
  return {
    checkpoint,
    apply,
    targets: [
      judge(DISTURBANCE_TARGETS.checkpointMs, milliseconds(checkpoint)),
      judge(DISTURBANCE_TARGETS.applyMs, milliseconds(apply)),
    ],
    faults: [
      ...faultsOf(duringCheckpoints.result).map((fault) => `checkpoints: ${fault}`),
      ...faultsOf(duringApplies.result).map((fault) => `artifacts: ${fault}`),
    ],
  };
}

export interface Observed {
  readonly result: Pick<LoadResult, "ackP99BySecond" | "measuredFromMicros">;
  readonly intervals: readonly Interval[];
}

/** Parts the seconds of a run into those that an interval touches, and the others. null when either has none. */
export function disturbanceOf({ result, intervals }: Observed): Disturbance | null {
  const disturbed: number[] = [];
  const undisturbed: number[] = [];
  for (const [second, p99] of (result.ackP99BySecond ?? []).entries()) {
    if (p99 === 0) continue; // no acknowledgement came
    const begin = result.measuredFromMicros + second * 1e6;
    const isTouched = intervals.some(([from, to]) => from < begin + 1e6 && to >= begin);
    (isTouched ? disturbed : undisturbed).push(p99);
  }
  if (disturbed.length === 0 || undisturbed.length === 0) return null;
  return {
    times: intervals.length,
    disturbedP99Micros: median(disturbed),
    undisturbedP99Micros: median(undisturbed),
    worstP99Micros: Math.max(...disturbed),
  };
}

async function loadWithCheckpoints(plan: DisturbancePlan) {
  const folder = mkdtempSync(join(plan.folder, "checkpoint-"));
  const gateway = await startGateway(folder, { devices: LOADS.paced.publishers });
  try {
    const target = {
      port: gateway.port,
      publisherIdentities: writeClients(join(folder, "publishers"), gateway.devices),
      subscriberIdentities: writeClients(join(folder, "subscribers"), [gateway.sink]),
    };
    return await during(pacedLoad(target, plan.checkpointSecs, plan.warmupSecs), (ended) =>
      checkpointIntervals(gateway, ended),
    );
  } finally {
    await gateway.stop();
  }
}

async function loadWithApplies(plan: DisturbancePlan) {
  await using gateway = await WholeGateway.init(plan.folder, ARTIFACT_BYTES);
  await gateway.start();
  await gateway.deploy(1);
  const devices = await gateway.addDevices(LOADS.paced.publishers);
  const target = {
    port: gateway.port,
    publisherIdentities: writeClients(join(plan.folder, "whole-publishers"), devices),
  };
  return await during(pacedLoad(target, plan.applySecs, plan.warmupSecs, 0), (ended) =>
    applyIntervals(gateway, ended),
  );
}

/** A paced load that says of each second how late its acknowledgements were. */
export const pacedLoad = (
  target: LoadTarget,
  secs: number,
  warmup: number,
  subscribers = 1,
): Promise<LoadResult> => {
  const { publishers, window, rate } = LOADS.paced;
  return runLoad(target, { publishers, window, rate, subscribers, timeline: true }, { warmup, secs });
};

/** A load, and what goes on meanwhile: `observe` says when. */
export async function during(
  load: Promise<LoadResult>,
  observe: (ended: AbortSignal) => Promise<readonly Interval[]>,
): Promise<Observed & { readonly result: LoadResult }> {
  const ended = new AbortController();
  const observing = observe(ended.signal);
  try {
    const result = await load;
    ended.abort();
    return { result, intervals: await observing };
  } finally {
    ended.abort();
    await observing.catch(() => []);
  }
}

/** In the clock that loads tell their times in. */
export const nowMicros = (): number => Number(process.hrtime.bigint() / 1000n);

async function checkpointIntervals(gateway: Gateway, ended: AbortSignal): Promise<readonly Interval[]> {
  const intervals: Interval[] = [];
  const count = async () => (await gateway.status()).counters["checkpoints"] ?? 0;
  let seen = await count();
  while (!ended.aborted) {
    await delay(POLL_MS);
    const found = await count();
    const now = nowMicros();
    if (found > seen) intervals.push([now - (POLL_MS + CHECKPOINT_MS_MAX) * 1000, now]);
    seen = found;
  }
  return intervals;
}

/** A second copy of the module comes and goes; only its coming needs the artifact. */
async function applyIntervals(gateway: WholeGateway, ended: AbortSignal): Promise<readonly Interval[]> {
  const intervals: Interval[] = [];
  while (!ended.aborted) {
    const begun = nowMicros();
    await gateway.deploy(2);
    intervals.push([begun, nowMicros()]);
    await delay(APPLY_PAUSE_MS);
    await gateway.deploy(1);
  }
  return intervals;
}
