/**
 * What a message costs the disk, at the block device: of a lone message, of one among many through one module and
 * through two, and how a longer linger trades latency for wear.
 *
 * Each figure is a window that begins and ends with everything written back. What the machine writes by itself is
 * measured first and taken off; what an idle gateway writes is not, because that is wear, too.
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { writeClients } from "./credentials.ts";
import { writtenBytes } from "./disk.ts";
import { startGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
import { faultsOf, runLoad, type Latency, type LoadResult, type LoadShape } from "./load.ts";
import { LOADS } from "./loads.ts";
import { judge, WEAR_TARGETS, type Verdict } from "./targets.ts";

export interface WearPlan {
  /** On the disk that is to be measured. Exists; stays the caller's. */
  readonly folder: string;
  /** Of each window at a paced rate: longer than the time between two checkpoints. */
  readonly pacedSecs: number;
  /** Of each window at load, where checkpoints come by the bytes that were written. */
  readonly loadSecs: number;
  readonly lingers: readonly number[];
  readonly rates: readonly number[];
}

export const WEAR_PLAN: Omit<WearPlan, "folder"> = {
  pacedSecs: 31,
  loadSecs: 8,
  lingers: [0, 1, 5, 20],
  rates: [1, 10, 100, 1000],
};

/** Whether it runs: windows too short for figures. */
export const QUICK_WEAR: typeof WEAR_PLAN = { pacedSecs: 1, loadSecs: 0.5, lingers: [0, 5], rates: [100] };

/** A lone device that reports four times per second. */
const LONE: LoadShape = { publishers: 1, window: 100, rate: 4 };
/** Under load before latencies count; the bytes of all messages count. */
const WARMUP_SECS = 1;
const PACED_PUBLISHERS = 20;
const DEVICES = Math.max(PACED_PUBLISHERS, LOADS["20x100"].publishers);

export interface Window {
  readonly bytes: number;
  readonly seconds: number;
}

export interface Wear {
  readonly bytesPerMessage: number;
  readonly messages: number;
  readonly ackMicros: Pick<Latency, "p50" | "p99">;
  readonly cpuMicrosPerMessage: number;
  /** That ended within the window; null when the store has none. */
  readonly checkpoints: number | null;
}

export interface LingerWear extends Wear {
  readonly lingerMs: number;
  readonly rate: number;
}

export interface WearReport {
  readonly idleBytesPerSecond: number;
  readonly bytesPerLoneMessage: number;
  readonly bytesPerMessageAtLoad: number;
  readonly bytesPerMessageAtLoadTwoModules: number;
  readonly lone: Wear;
  readonly atLoad: Wear;
  readonly atLoadTwoModules: Wear;
  /** Wear against latency: what `store.lingerMs` buys, and what it costs. */
  readonly lingers: readonly LingerWear[];
  readonly targets: readonly Verdict[];
  /** Such as "linger 5 ms, 1000/s: lost 3". */
  readonly faults: readonly string[];
}

export async function wearReport(plan: WearPlan, progress: (line: string) => void): Promise<WearReport> {
  progress("the machine without a gateway");
  const { window: idle } = await windowOf(plan.folder, () => delay(plan.pacedSecs * 1000));
  const meter = new WearMeter(plan.folder, idle, progress);

  const one = await meter.on({}, [
    { what: "lone message", shape: LONE, secs: plan.pacedSecs },
    { what: "at load", shape: LOADS["20x100"], secs: plan.loadSecs },
  ]);
  const two = await meter.on({ chain: ["first", "second"] }, [
    { what: "at load, two modules", shape: LOADS["20x100"], secs: plan.loadSecs },
  ]);
  const lingers: LingerWear[] = [];
  for (const lingerMs of plan.lingers) {
    const works = plan.rates.map((rate) => ({
      what: `linger ${lingerMs} ms, ${rate}/s`,
      shape: { publishers: PACED_PUBLISHERS, window: 100, rate },
      secs: plan.pacedSecs,
    }));
    const wears = await meter.on({ store: { lingerMs } }, works);
    lingers.push(...wears.map((wear, i) => ({ lingerMs, rate: plan.rates[i]!, ...wear })));
  }
  const [lone, atLoad, atLoadTwoModules] = [...one, ...two] as [Wear, Wear, Wear];
  return {
    idleBytesPerSecond: idle.bytes / idle.seconds,
    bytesPerLoneMessage: lone.bytesPerMessage,
    bytesPerMessageAtLoad: atLoad.bytesPerMessage,
    bytesPerMessageAtLoadTwoModules: atLoadTwoModules.bytesPerMessage,
    lone,
    atLoad,
    atLoadTwoModules,
    lingers,
    targets: [
      judge(WEAR_TARGETS.loneBytes, lone.bytesPerMessage),
      judge(WEAR_TARGETS.loadBytes, atLoad.bytesPerMessage),
      judge(WEAR_TARGETS.twoModulesBytes, atLoadTwoModules.bytesPerMessage),
    ],
    faults: meter.faults,
  };
}

/** Bytes per message beyond what the machine writes by itself; never below zero, where that was all. */
export function bytesPerMessage(window: Window, idle: Window, messages: number): number {
  const background = (idle.bytes / idle.seconds) * window.seconds;
  return Math.max(0, window.bytes - background) / messages;
}

interface Work {
  /** As it is named in progress and faults. */
  readonly what: string;
  readonly shape: LoadShape;
  readonly secs: number;
}

/** Puts loads on gateways, and reads the disk before and after. */
class WearMeter {
  readonly #folder: string;
  readonly #idle: Window;
  readonly #progress: (line: string) => void;
  readonly faults: string[] = [];

  constructor(folder: string, idle: Window, progress: (line: string) => void) {
    this.#folder = folder;
    this.#idle = idle;
    this.#progress = progress;
  }

  /** A gateway of its own for these, one after the other. */
  async on(options: Omit<GatewayOptions, "devices">, works: readonly Work[]): Promise<readonly Wear[]> {
    const folder = mkdtempSync(join(this.#folder, "wear-"));
    const gateway = await startGateway(folder, { ...options, devices: DEVICES });
    try {
      const wears: Wear[] = [];
      for (const work of works) wears.push(await this.#of(gateway, folder, work));
      return wears;
    } finally {
      await gateway.stop();
    }
  }

  async #of(gateway: Gateway, folder: string, { what, shape, secs }: Work): Promise<Wear> {
    this.#progress(what);
    const checkpoints = await checkpointsOf(gateway);
    const { window, value: result } = await windowOf(folder, () => loadOn(gateway, folder, shape, secs));
    const faults = faultsOf(result);
    if (faults.length > 0) this.faults.push(`${what}: ${faults.join(", ")}`);
    const { p50, p99 } = result.ackMicros;
    return {
      bytesPerMessage: bytesPerMessage(window, this.#idle, result.sent),
      messages: result.sent,
      ackMicros: { p50, p99 },
      cpuMicrosPerMessage: result.serverCpuMicrosPerMessage,
      checkpoints: checkpoints === null ? null : (await checkpointsOf(gateway))! - checkpoints,
    };
  }
}

async function windowOf<T>(
  folder: string,
  work: () => Promise<T>,
): Promise<{ readonly window: Window; readonly value: T }> {
  const before = await writtenBytes(folder);
  const begun = performance.now();
  const value = await work();
  const bytes = (await writtenBytes(folder)) - before;
  return { window: { bytes, seconds: (performance.now() - begun) / 1000 }, value };
}

function loadOn(gateway: Gateway, folder: string, shape: LoadShape, secs: number): Promise<LoadResult> {
  const target = {
    port: gateway.port,
    pid: gateway.pid,
    publisherIdentities: writeClients(join(folder, "publishers"), gateway.devices),
    subscriberIdentities: writeClients(join(folder, "subscribers"), [gateway.sink]),
  };
  return runLoad(target, shape, { warmup: Math.min(WARMUP_SECS, secs / 2), secs });
}

const checkpointsOf = async (gateway: Gateway): Promise<number | null> =>
  (await gateway.status()).counters["checkpoints"] ?? null;
