/**
 * What a gateway costs before it does anything, and how quickly it gets up: memory, start, restart. Each figure is a
 * function of a started gateway, or of how to start one.
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MODULE, startGateway, type Gateway } from "./gateway.ts";
import { Probe } from "./probe.ts";
import { memoryOf, type Memory } from "./process-memory.ts";
import { median } from "./statistics.ts";
import { WholeGateway } from "./whole-gateway.ts";
import { FOOTPRINT_TARGETS, judge, type Verdict } from "./targets.ts";

/** What starting left behind is collected, and pages are given back, some time after. */
const SETTLE_MS = 3000;
const FURTHER_MODULES = 10;
const MEMORY_RUNS = 3;
const STARTS = 5;
const POISON_RECORDS = 15;
const RESTARTS = 5;
const MEGABYTE = 1024 * 1024;

export interface FootprintReport {
  /** No module. */
  readonly idle: Memory;
  readonly withOneModule: Memory;
  /** Of each beyond the first, without what it has touched of its linear memory; its key-value image is empty. */
  readonly furtherModuleBytes: number;
  readonly firstMessageMs: number;
  readonly poisonMs: number;
  readonly restartMs: number;
  readonly targets: readonly Verdict[];
}

/** `folder` is the caller's, and takes the stores. */
export async function footprintReport(
  folder: string,
  progress: (line: string) => void,
): Promise<FootprintReport> {
  const start = (modules?: readonly string[]) =>
    startGateway(mkdtempSync(join(folder, "gateway-")), {
      devices: 1,
      // A lone message is then timed without the time it may wait for company.
      store: { lingerMs: 0 },
      ...(modules === undefined ? {} : { modules }),
    });

  const memories: MemoryFigures[] = [];
  for (let run = 1; run <= MEMORY_RUNS; run++) {
    progress(`memory, run ${run}/${MEMORY_RUNS}`);
    memories.push(await memoryFigures(folder));
  }
  progress("start to first message");
  const firstMessageMs = await startToFirstMessage(folder);
  progress("poison records and restarts");
  const pauses = await stopping(await start(), pauseFigures);

  const figures = { ...medianMemory(memories), firstMessageMs, ...pauses };
  return { ...figures, targets: footprintVerdicts(figures) };
}

async function stopping<T>(gateway: Gateway, measure: (gateway: Gateway) => Promise<T>): Promise<T> {
  try {
    return await measure(gateway);
  } finally {
    await gateway.stop();
  }
}

type MemoryFigures = Pick<FootprintReport, "idle" | "withOneModule" | "furtherModuleBytes">;

/** Of `sandpiper run`: agent, hub, management, as an operator has them. */
async function memoryFigures(folder: string): Promise<MemoryFigures> {
  await using gateway = await WholeGateway.init(folder);
  await gateway.start();
  const idle = await settledMemory(gateway.pid);
  await gateway.deploy(1);
  const withOneModule = await settledMemory(gateway.pid);
  await gateway.deploy(1 + FURTHER_MODULES);
  const withAll = await settledMemory(gateway.pid);
  const costBytes = ({ rssBytes, linearBytes }: Memory) => rssBytes - linearBytes;
  const furtherModuleBytes = (costBytes(withAll) - costBytes(withOneModule)) / FURTHER_MODULES;
  return { idle, withOneModule, furtherModuleBytes };
}

function medianMemory(runs: readonly MemoryFigures[]): MemoryFigures {
  const of = (figure: (run: MemoryFigures) => number) => median(runs.map(figure));
  const memory = (which: "idle" | "withOneModule"): Memory => ({
    rssBytes: of((run) => run[which].rssBytes),
    anonymousBytes: of((run) => run[which].anonymousBytes),
    linearBytes: of((run) => run[which].linearBytes),
  });
  return {
    idle: memory("idle"),
    withOneModule: memory("withOneModule"),
    furtherModuleBytes: of((run) => run.furtherModuleBytes),
  };
}

/** Of a gateway that boots its last deployment, from the spawn on, ms; median of a few. */
async function startToFirstMessage(folder: string): Promise<number> {
  await using gateway = await WholeGateway.init(folder);
  await gateway.start();
  await gateway.deploy(1);
  const times: number[] = [];
  for (let i = 0; i < STARTS; i++) times.push(await gateway.restartToFirstMessage());
  return median(times);
}

async function settledMemory(pid: number): Promise<Memory> {
  await delay(SETTLE_MS);
  return memoryOf(pid);
}

/** `gateway` must run `MODULE`. */
export async function pauseFigures(
  gateway: Gateway,
): Promise<Pick<FootprintReport, "poisonMs" | "restartMs">> {
  await using probe = await Probe.connect(gateway);
  const restarts: number[] = [];
  const poisonMs = await poisonPause(probe);
  for (let i = 0; i < RESTARTS; i++) {
    restarts.push((await gateway.restartModule(MODULE)).startMs);
    await probe.roundTrip();
  }
  return { poisonMs, restartMs: median(restarts) };
}

/** How much longer a message takes right behind a poison record: trap, search for the culprit, new instance; ms. */
export async function poisonPause(probe: Probe): Promise<number> {
  const undisturbed: number[] = [];
  const disturbed: number[] = [];
  for (let i = 0; i < POISON_RECORDS; i++) {
    undisturbed.push(await probe.roundTrip());
    const poisoned = probe.poison();
    disturbed.push(await probe.roundTrip());
    await poisoned;
  }
  return median(disturbed) - median(undisturbed);
}

function footprintVerdicts(figures: Omit<FootprintReport, "targets">): readonly Verdict[] {
  return [
    judge(FOOTPRINT_TARGETS.idleMegabytes, figures.idle.rssBytes / MEGABYTE),
    judge(FOOTPRINT_TARGETS.moduleMegabytes, figures.furtherModuleBytes / MEGABYTE),
    judge(FOOTPRINT_TARGETS.firstMessageMs, figures.firstMessageMs),
    judge(FOOTPRINT_TARGETS.poisonMs, figures.poisonMs),
    judge(FOOTPRINT_TARGETS.restartMs, figures.restartMs),
  ];
}
