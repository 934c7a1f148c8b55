/**
 * Where the time goes, thread by thread: processor time, time spent waiting for a processor, and how often a thread
 * was put on one, from the scheduler's own accounts. (`--cpu-prof` says which function, but counts the socket reads
 * inside the poll phase as idle.)
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { writeClients } from "./credentials.ts";
import { startGateway } from "./gateway.ts";
import { faultsOf, runLoad, type LoadShape } from "./load.ts";
import { DEVICES, LOADS, type LoadName } from "./loads.ts";

export interface ProfilePlan {
  readonly folder: string;
  readonly load: LoadName;
  readonly warmup: number;
  readonly secs: number;
  /** Where profiles of functions go, too; none unless said. */
  readonly profileDir?: string | undefined;
}

export interface ThreadShare {
  readonly thread: string;
  /** Of one processor. */
  readonly runningShare: number;
  /** Ready to run, and not running. */
  readonly waitingShare: number;
  readonly switchesPerSecond: number;
  readonly cpuMicrosPerMessage: number;
}

export interface ProfileReport {
  readonly load: LoadName;
  readonly messagesPerSecond: number;
  /** The busiest first; threads that did nothing are left out. */
  readonly threads: readonly ThreadShare[];
  readonly faults: readonly string[];
}

/** Of the measured time, so that the load's end is not in it. */
const EDGE_MS = 200;
const SHARE_MIN = 0.001;

export async function profileReport(
  { folder, load, profileDir, ...times }: ProfilePlan,
  progress: (line: string) => void,
): Promise<ProfileReport> {
  progress(load);
  const shape: LoadShape = LOADS[load];
  const warmup = Math.max(times.warmup, shape.warmupMin ?? 0);
  const profiling = profileDir === undefined ? {} : { profileDir };
  const gateway = await startGateway(folder, { devices: DEVICES, ...profiling });
  try {
    const names = new Map(gateway.threads);
    const target = {
      port: gateway.port,
      pid: gateway.pid,
      publisherIdentities: writeClients(join(folder, "publishers"), gateway.devices),
      subscriberIdentities: writeClients(join(folder, "subscribers"), [gateway.sink]),
    };
    const loading = runLoad(target, shape, { warmup, secs: times.secs });
    const sampling = (async () => {
      await delay(warmup * 1000 + EDGE_MS);
      const from = threadTimes(gateway.pid);
      await delay(Math.max(EDGE_MS, times.secs * 1000 - 2 * EDGE_MS));
      return sharesBetween(from, threadTimes(gateway.pid));
    })();
    const [result, shares] = await Promise.all([loading, sampling]);
    const rate = result.receivedPerSecond;
    const threads = shares
      .filter(({ runningShare }) => runningShare >= SHARE_MIN)
      .toSorted((a, b) => b.runningShare - a.runningShare)
      .map(({ id, ...share }) => ({
        thread: names.get(id) ?? "another of the process",
        ...share,
        cpuMicrosPerMessage: (share.runningShare * 1e6) / rate,
      }));
    return { load, messagesPerSecond: rate, threads, faults: faultsOf(result) };
  } finally {
    await gateway.stop();
  }
}

export interface ThreadTimes {
  readonly atMs: number;
  /** By thread id. */
  readonly threads: ReadonlyMap<number, Schedstat>;
}

interface Schedstat {
  readonly runningNanos: number;
  readonly waitingNanos: number;
  readonly switches: number;
}

/** `text`: of /proc/PID/task/ID/schedstat. */
export function parseSchedstat(text: string): Schedstat {
  const [runningNanos = 0, waitingNanos = 0, switches = 0] = text.trim().split(" ").map(Number);
  return { runningNanos, waitingNanos, switches };
}

const threadIds = (pid: number): readonly number[] =>
  readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .sort((a, b) => a - b);

function threadTimes(pid: number): ThreadTimes {
  const threads = threadIds(pid).map(
    (id) => [id, parseSchedstat(readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8"))] as const,
  );
  return { atMs: performance.now(), threads: new Map(threads) };
}

/** Time on a processor of each thread so far, µs, by its id. */
export const runningMicros = (pid: number): ReadonlyMap<number, number> =>
  new Map([...threadTimes(pid).threads].map(([id, { runningNanos }]) => [id, runningNanos / 1000]));

type Share = Omit<ThreadShare, "thread" | "cpuMicrosPerMessage"> & { readonly id: number };

/** Of the threads that were there at both times. */
export function sharesBetween(from: ThreadTimes, to: ThreadTimes): readonly Share[] {
  const nanos = (to.atMs - from.atMs) * 1e6;
  return [...from.threads].flatMap(([id, before]) => {
    const after = to.threads.get(id);
    if (after === undefined) return [];
    return [
      {
        id,
        runningShare: (after.runningNanos - before.runningNanos) / nanos,
        waitingShare: (after.waitingNanos - before.waitingNanos) / nanos,
        switchesPerSecond: ((after.switches - before.switches) / nanos) * 1e9,
      },
    ];
  });
}
