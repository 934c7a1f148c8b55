/**
 * Several lives of a gateway on one store: each ends by SIGKILL at a random instant, the last one in peace, when
 * everything that was taken has come out. What clients saw of it is the history that is judged.
 */
import type { StoreConfig } from "../../hub/face.ts";
import { HubChild } from "../support/faults/hub-child.ts";
import { until } from "../support/faults/window.ts";
import { Consumer } from "./consumer.ts";
import { Device } from "./device.ts";
import type { DeadMessage, Fault, History, LoggedEvent } from "./history.ts";
import { drawKillMoment, type KillMoment } from "./kill-moment.ts";
import { PATHS, type Path } from "./message.ts";
import { countersOf, Observer, wholeGraveyard, wholeLog } from "./observer.ts";
import { drawTopology, MODULES, type Topology } from "./topology.ts";

const DEVICES_MIN = 2;
const DEVICES_MAX = 5;
/** For everything taken to come out in peace, ms. Longer is a breach: something is stuck. */
const DRAIN_MS_MAX = 45_000;
/** A module is not there at all in one life out of so many. */
const MODULE_DOWN_ONE_IN = 2;
const LINGER_MS = [0, 2, 5];
const GRACE_MS = [0, 2];
/** Small, so that kills find checkpoints under way and the log going round. */
const LOG_BYTES = 4 * 1024 * 1024;
const CHECKPOINT_BYTES = 1024 * 1024;

export interface EpisodeOptions {
  readonly storeDir: string;
  readonly wasmFile: string;
  /** Lives that end by a kill. */
  readonly rounds: number;
  /** Whole numbers below its argument. */
  readonly below: (n: number) => number;
  readonly store?: Partial<StoreConfig>;
  /** Another build: a mutant. */
  readonly dist?: URL;
  /** A faulty disk. */
  readonly env?: NodeJS.ProcessEnv;
  /** Between the death of a gateway and its next life: what befell its store meanwhile. */
  readonly whileDead?: (round: number) => void | Promise<void>;
}

export interface EpisodeResult {
  readonly history: History;
  readonly recoveryMsMax: number;
}

/** Never throws for what a gateway does: that is in the history. */
export function runEpisode(options: EpisodeOptions): Promise<EpisodeResult> {
  return new Episode(options).run();
}

class Episode {
  readonly #options: EpisodeOptions;
  readonly #topology: Topology;
  readonly #devices: readonly Device[];
  readonly #consumer: Consumer;
  readonly #observer = new Observer();
  readonly #faults: Fault[] = [];
  #isSetUp = false;
  #recoveryMsMax = 0;

  constructor(options: EpisodeOptions) {
    this.#options = options;
    const { below } = options;
    this.#topology = drawTopology(below);
    const count = DEVICES_MIN + below(DEVICES_MAX - DEVICES_MIN + 1);
    this.#devices = Array.from({ length: count }, (_, i) => new Device(`d${i}`, below));
    this.#consumer = new Consumer(below);
  }

  async run(): Promise<EpisodeResult> {
    const { rounds, below } = this.#options;
    let peace: Peace = { log: [], deadLetters: [], counters: new Map() };
    try {
      for (let round = 0; round < rounds; round++) {
        for (const device of this.#devices) device.redraw(round, this.#drawPaths());
        await this.#life(round, drawKillMoment(below, this.#isSetUp));
        await this.#options.whileDead?.(round);
      }
      peace = await this.#lastLife(rounds);
    } catch (error) {
      this.#faults.push({ round: rounds, what: (error as Error).message });
    }
    const { observed } = this.#observer;
    const history: History = {
      ...peace,
      devices: this.#devices.map((device) => device.history),
      consumer: this.#consumer.history,
      observed,
      faults: this.#faults,
    };
    return { history, recoveryMsMax: this.#recoveryMsMax };
  }

  #drawPaths(): Path[] {
    const { below } = this.#options;
    const some = PATHS.filter(() => below(2) === 0);
    return some.length > 0 ? some : [...PATHS];
  }

  #launch(): HubChild {
    const { storeDir, dist, env, below, store } = this.#options;
    const settings = {
      lingerMs: LINGER_MS[below(LINGER_MS.length)]!,
      graceMs: GRACE_MS[below(GRACE_MS.length)]!,
      logBytes: LOG_BYTES,
      checkpointBytes: CHECKPOINT_BYTES,
    };
    return HubChild.launch({
      storeDir,
      store: { ...settings, ...store },
      ...(dist === undefined ? {} : { dist }),
      ...(env === undefined ? {} : { env }),
    });
  }

  /** Up to the point where devices can connect. */
  async #begin(child: HubChild): Promise<void> {
    await child.begin();
    this.#recoveryMsMax = Math.max(this.#recoveryMsMax, child.recoveryMs);
    if (!this.#isSetUp) {
      for (const { publisher } of this.#devices) await child.hub.addIdentity(publisher.identity);
      await child.hub.addIdentity(this.#consumer.identity);
    }
    await child.hub.setRoutes(this.#topology.routes);
    this.#isSetUp = true;
  }

  #connect(child: HubChild, round: number): Promise<unknown> {
    return Promise.all([
      this.#observer.follow(child.hub),
      this.#consumer.run(child.port, round),
      ...this.#devices.map((device) => device.run(child.port)),
    ]);
  }

  async #life(round: number, moment: KillMoment): Promise<void> {
    const { below, wasmFile } = this.#options;
    const child = this.#launch();
    // The others are down for this life: what is meant for them waits.
    const modules = MODULES.filter(() => below(MODULE_DOWN_ONE_IN) > 0);
    let ended: Promise<unknown> = Promise.resolve();
    const started = this.#begin(child).then(() => {
      ended = this.#connect(child, round);
      return child.hub.startModules(wasmFile, modules);
    });
    let failure: Error | null = null;
    if (moment.kind === "starting") {
      started.catch((error: unknown) => (failure = error as Error)); // killed meanwhile, or worse
      await Promise.race([child.failed(), delay(moment.afterMs)]);
    } else {
      await started.catch((error: unknown) => (failure = error as Error));
      if (failure === null) await this.#comes(moment);
    }
    const isKilled = child.isAlive && child.failures.length === 0;
    await child.kill();
    await started.catch(() => undefined);
    await ended;
    if (failure !== null && !(isKilled && moment.kind === "starting")) throw failure as Error;
    if (!isKilled) throw new Error(`the gateway ended by itself: ${child.failures.join("; ")}`);
  }

  /** Resolves when it is time to kill. */
  async #comes({ event, count, afterMs }: KillMoment & { readonly kind: "working" }): Promise<void> {
    const { promise, resolve } = signal();
    let left = count;
    const happened = (): void => {
      if (--left === 0) resolve();
    };
    if (event === "acknowledged") for (const device of this.#devices) device.onAck = happened;
    if (event === "delivered") this.#consumer.onDelivery = happened;
    await Promise.race([promise, delay(afterMs)]);
    for (const device of this.#devices) device.onAck = () => undefined;
    this.#consumer.onDelivery = () => undefined;
  }

  async #lastLife(round: number): Promise<Peace> {
    await using child = this.#launch();
    await this.#begin(child);
    await child.hub.startModules(this.#options.wasmFile, MODULES);
    for (const device of this.#devices) device.redraw(round, PATHS);
    for (const { publisher } of this.#devices) publisher.stop();
    this.#consumer.calm();
    const ended = this.#connect(child, round);
    const isAcknowledged = (): boolean => this.#devices.every(({ publisher }) => publisher.inFlight === 0);
    try {
      await until("everything acknowledged", isAcknowledged, DRAIN_MS_MAX);
      await until("everything consumed", () => isDrained(child), DRAIN_MS_MAX);
    } catch (error) {
      this.#faults.push({ round, what: `${(error as Error).message}; ${await stateOf(child)}` });
    }
    const peace = await whatIsLeft(child);
    await child.kill();
    await ended;
    return peace;
  }
}

type Peace = Pick<History, "log" | "deadLetters" | "counters">;

async function whatIsLeft({ hub }: HubChild): Promise<Peace> {
  const log: LoggedEvent[] = await wholeLog(hub);
  const deadLetters: DeadMessage[] = [];
  const endpoints = new Set(
    [...(await hub.queues())].map(({ endpoint }) => endpoint).filter((name) => !name.startsWith("$")),
  );
  for (const endpoint of endpoints) deadLetters.push(...(await wholeGraveyard(hub, endpoint)));
  const counters = new Map<string, Map<string, number>>();
  for (const module of MODULES) counters.set(module, await countersOf(hub, module));
  return { log, deadLetters, counters };
}

/** Queues of modules; what stands in the log or among dead letters stays there. */
async function isDrained({ hub }: HubChild): Promise<boolean> {
  const queues = await hub.queues();
  return queues.filter(({ endpoint }) => isQueue(endpoint)).every(({ length }) => length === 0);
}

async function stateOf({ hub }: HubChild): Promise<string> {
  const waiting = (await hub.queues()).filter(({ endpoint, length }) => isQueue(endpoint) && length > 0);
  const queues = waiting.map(
    ({ endpoint, length, inFlight }) => `${endpoint} ${length} (${inFlight} in flight)`,
  );
  return `waiting: ${queues.join(", ") || "nothing"}`;
}

const isQueue = (endpoint: string): boolean => /^[^$:]+\/[^$:]+$/.test(endpoint);

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
