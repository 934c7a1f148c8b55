/**
 * A consumer that is away for a long time: millions of messages wait on disk for a module that is not there. How fast
 * they are taken, what they cost in memory and on disk, how long a start takes with them, how fast they drain when the
 * module comes, and whether the disk gets its room back.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Compaction } from "../../hub/face.ts";
import { writeClients } from "./credentials.ts";
import { allocatedBytes } from "./disk.ts";
import { MODULE, startGateway, type Gateway } from "./gateway.ts";
import { faultsOf, runLoad, type LoadResult, type LoadShape, type LoadTarget } from "./load.ts";
import { anonymousBytesOf } from "./process-memory.ts";

export interface BacklogPlan {
  /** On the disk that is to be measured. Exists; stays the caller's. */
  readonly folder: string;
  /** Of 300 B; a multiple of `PUBLISHERS`. */
  readonly messages: number;
}

export const MESSAGES_DEFAULT = 5_000_000;
export const PUBLISHERS = 20;
const WINDOW = 100;
/** Of one message in the store, generously: its frame, and what the pages it lies in waste. */
const BYTES_PER_MESSAGE_MAX = 1024;
/** Slower than this is a finding, and not worth waiting for. */
const MESSAGES_PER_SECOND_MIN = 10_000;
const PATIENCE_SECS = 30;
const MEMORY_SAMPLE_MS = 100;

/** Memory that is the gateway's own, while messages come in. */
export interface FillMemory {
  readonly beforeBytes: number;
  readonly halfwayBytes: number;
  readonly endBytes: number;
  readonly peakBytes: number;
}

export interface BacklogReport {
  readonly messages: number;
  readonly fillPerSecond: number;
  readonly fillMemory: FillMemory;
  /** From spawning the process until it listens, with the backlog on disk; and of it, opening the store. */
  readonly startMs: number;
  readonly recoveryMs: number;
  readonly recovered: number;
  /** Through the module, to a consumer on the network. */
  readonly drainPerSecond: number;
  readonly secondFillPerSecond: number;
  /** What the store's files take on the disk. */
  readonly storeBytes: {
    readonly empty: number;
    readonly filled: number;
    readonly drained: number;
    /** After as many messages once more: no more than after the first time. */
    readonly filledAgain: number;
    readonly compacted: number;
  };
  readonly compaction: Compaction;
  /** Such as "drain: lost 3". */
  readonly faults: readonly string[];
}

export async function backlogReport(
  { folder, messages }: BacklogPlan,
  progress: (line: string) => void,
): Promise<BacklogReport> {
  const faults: string[] = [];
  const checked = (what: string, result: LoadResult): LoadResult => {
    const found = faultsOf(result);
    if (found.length > 0) faults.push(`${what}: ${found.join(", ")}`);
    if (result.sent < messages) faults.push(`${what}: ended after ${result.sent} of ${messages}`);
    return result;
  };
  const room = messages * BYTES_PER_MESSAGE_MAX;
  let gateway = await startGateway(folder, {
    devices: PUBLISHERS,
    modules: [],
    store: { bytesMax: 2 * room },
    inputBytesMax: room,
  });
  try {
    const storeBytes = () => allocatedBytes(gateway.storeDir);
    const empty = storeBytes();

    progress(`fill with ${messages} messages`);
    const { value: fill, memory: fillMemory } = await watchingMemory(gateway.pid, () =>
      load(gateway, folder, { messages, subscribers: 0 }),
    );
    checked("fill", fill);
    const filled = storeBytes();

    progress("start with the backlog on disk");
    await gateway.stop();
    const begun = performance.now();
    gateway = await gateway.again([]);
    const startMs = performance.now() - begun;
    const { recoveryMs, recovered } = gateway;

    progress("drain through the module");
    await gateway.startModule(MODULE);
    const drain = checked("drain", await load(gateway, folder, { backlog: messages }));
    const drained = storeBytes();

    progress("fill once more, and drain");
    await gateway.stop();
    gateway = await gateway.again([]);
    const secondFill = checked("second fill", await load(gateway, folder, { messages, subscribers: 0 }));
    const filledAgain = storeBytes();
    await gateway.startModule(MODULE);
    checked("second drain", await load(gateway, folder, { backlog: messages }));

    progress("compact");
    const compaction = await gateway.compact();
    return {
      messages,
      fillPerSecond: fill.ackedPerSecond,
      fillMemory,
      startMs,
      recoveryMs,
      recovered,
      drainPerSecond: drain.receivedPerSecond,
      secondFillPerSecond: secondFill.ackedPerSecond,
      storeBytes: {
        empty,
        filled,
        drained,
        filledAgain,
        compacted: storeBytes(),
      },
      compaction,
      faults,
    };
  } finally {
    await gateway.stop();
  }
}

type Bounded = Pick<LoadShape, "subscribers"> &
  ({ readonly messages: number } | { readonly backlog: number });

function load(gateway: Gateway, folder: string, bounded: Bounded): Promise<LoadResult> {
  const target: LoadTarget = {
    port: gateway.port,
    pid: gateway.pid,
    publisherIdentities: writeClients(join(folder, "publishers"), gateway.devices),
    subscriberIdentities: writeClients(join(folder, "subscribers"), [gateway.sink]),
  };
  const messages = "messages" in bounded ? bounded.messages : bounded.backlog;
  const secs = PATIENCE_SECS + messages / MESSAGES_PER_SECOND_MIN;
  // What has not come by then is lost to this report.
  return runLoad(
    target,
    { publishers: PUBLISHERS, window: WINDOW, ...bounded },
    { warmup: 0, secs, drain: 0 },
  );
}

async function watchingMemory<T>(
  pid: number,
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly memory: FillMemory }> {
  const samples = [anonymousBytesOf(pid)];
  const ended = new AbortController();
  const sampling = (async () => {
    while (!ended.signal.aborted) {
      await delay(MEMORY_SAMPLE_MS);
      samples.push(anonymousBytesOf(pid));
    }
  })();
  try {
    const value = await work();
    return { value, memory: fillMemoryOf(samples) };
  } finally {
    ended.abort();
    await sampling;
  }
}

/** `samples`: at least one, in the order they were taken. */
export const fillMemoryOf = (samples: readonly number[]): FillMemory => ({
  beforeBytes: samples[0]!,
  halfwayBytes: samples[samples.length >> 1]!,
  endBytes: samples.at(-1)!,
  peakBytes: Math.max(...samples),
});
