/**
 * Several lives of a gateway on one store: each ends by SIGKILL at a random instant, the last one in peace, when
 * everything that was taken has come out. What clients saw of it is the history that is judged.
 */
import type { StoreConfig } from "../../hub/face.ts";
import { HubChild } from "../support/faults/hub-child.ts";
import { until } from "../support/faults/window.ts";
import { Consumer } from "./consumer.ts";
import { Device } from "./device.ts";
import { drawsOf, type Below } from "./draws.ts";
import type { Fault, History } from "./history.ts";
import { drawKillMoment, type KillMoment } from "./kill-moment.ts";
import { PATHS, type Path } from "./message.ts";
import { countersOf, Observer, wholeGraveyard, wholeLog } from "./observer.ts";
import { drawTopology, MODULES, type Topology } from "./topology.ts";

const DEVICES_MIN = 2;
const DEVICES_MAX = 5;
/** For everything taken to come out in peace, ms. Longer is a breach: something is stuck. */
const DRAIN_MS_MAX = 45_000;
/** A module is not there at all in one life out of so many. */
const MODULE_DOWN_ONE_IN = 3;
/** Settings of the hub, drawn for each life. */
const LINGER_MS = [0, 2, 5];
const GRACE_MS = [0, 2];
/**
 * Kills are to find the redo log in every state: going round, and with a checkpoint under way, of one slice or
 * several. Drawn for each store; in one life out of so many drawn anew, and then it is another log.
 */
const LOGS: readonly Partial<StoreConfig>[] = [
  { logBytes: 256 * 1024, checkpointBytes: 32 * 1024, checkpointMs: 20 },
  { logBytes: 1024 * 1024, checkpointBytes: 64 * 1024, checkpointMs: 50 },
  { logBytes: 4 * 1024 * 1024, checkpointBytes: 1024 * 1024, checkpointMs: 30_000 },
];
const ANOTHER_LOG_ONE_IN = 8;
/** Sequences of draws: this, the consumer's, and from here on those of devices. */
const PART = { PLAN: 0, CONSUMER: 1, DEVICES: 2 } as const;

export interface EpisodeOptions {
  readonly storeDir: string;
  readonly wasmFile: string;
  /** Lives that end by a kill. */
  readonly rounds: number;
  readonly seed: number;
  readonly store?: Partial<StoreConfig>;
  /** Another build: a mutant. */
  readonly dist?: URL;
  /** A faulty disk. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface EpisodeResult {
  readonly history: History;
  readonly recoveryMsMax: number;
}

/** Never throws for what a gateway does: that is in the history. */
export async function runEpisode(options: EpisodeOptions): Promise<EpisodeResult> {
  await using episode = new Episode(options);
  return await episode.run();
}

class Episode implements AsyncDisposable {
  readonly #options: EpisodeOptions;
  readonly #below: Below;
  readonly #topology: Topology;
  readonly #devices: readonly Device[];
  readonly #consumer: Consumer;
  readonly #observer = new Observer();
  readonly #faults: Fault[] = [];
  #log: Partial<StoreConfig>;
  /** The process of the next life, which takes its time to start. */
  #spare: HubChild | null = null;
  #isSetUp = false;
  #recoveryMsMax = 0;

  constructor(options: EpisodeOptions) {
    this.#options = options;
    const below = (this.#below = drawsOf(options.seed, PART.PLAN));
    this.#topology = drawTopology(below);
    this.#log = LOGS[below(LOGS.length)]!;
    const count = DEVICES_MIN + below(DEVICES_MAX - DEVICES_MIN + 1);
    this.#devices = Array.from(
      { length: count },
      (_, i) => new Device(`d${i}`, drawsOf(options.seed, PART.DEVICES + i)),
    );
    this.#consumer = new Consumer(drawsOf(options.seed, PART.CONSUMER));
  }

  async run(): Promise<EpisodeResult> {
    const { rounds } = this.#options;
    let peace: Peace = { log: [], deadLetters: [], counters: new Map(), redelivered: null };
    let round = 0;
    try {
      for (; round < rounds; round++) {
        for (const device of this.#devices) device.redraw(round, this.#drawPaths());
        await this.#life(round, drawKillMoment(this.#below, this.#isSetUp));
      }
      peace = await this.#lastLife(rounds);
    } catch (error) {
      this.#faults.push({ round, what: (error as Error).message });
    }
    const { observed } = this.#observer;
    const history: History = {
      ...peace,
      lastRound: rounds,
      devices: this.#devices.map((device) => device.history),
      consumer: this.#consumer.history,
      observed,
      faults: this.#faults,
    };
    return { history, recoveryMsMax: this.#recoveryMsMax };
  }

  #drawPaths(): Path[] {
    const some = PATHS.filter(() => this.#below(2) === 0);
    return some.length > 0 ? some : [...PATHS];
  }

  /** The process of this life, whose hub is not started, while the next one's is made. */
  #takeProcess(isLast: boolean): HubChild {
    const child = this.#spare ?? this.#launch();
    this.#spare = isLast ? null : this.#launch();
    return child;
  }

  #launch(): HubChild {
    const { storeDir, wasmFile, dist, env } = this.#options;
    const child = HubChild.launch({
      storeDir,
      ...(dist === undefined ? {} : { dist }),
      ...(env === undefined ? {} : { env }),
    });
    child.hub.prepareModules(wasmFile).catch(() => undefined); // who starts modules is told
    return child;
  }

  #drawStore(): Partial<StoreConfig> {
    const below = this.#below;
    if (below(ANOTHER_LOG_ONE_IN) === 0) this.#log = LOGS[below(LOGS.length)]!;
    const lingerMs = LINGER_MS[below(LINGER_MS.length)]!;
    const graceMs = GRACE_MS[below(GRACE_MS.length)]!;
    return { lingerMs, graceMs, ...this.#log, ...this.#options.store };
  }

  /** Up to the point where devices can connect. */
  async #begin(child: HubChild, store: Partial<StoreConfig>): Promise<void> {
    await child.begin(store);
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
    const below = this.#below;
    const child = this.#takeProcess(false);
    const store = this.#drawStore();
    // The others are down for this life: what is meant for them waits.
    const modules = MODULES.filter(() => below(MODULE_DOWN_ONE_IN) > 0);
    const areModulesFirst = below(2) === 0;
    const connecting = signal();
    let ended: Promise<unknown> = Promise.resolve();
    const connect = (): void => {
      ended = this.#connect(child, round);
      connecting.resolve();
    };
    const start = async (): Promise<void> => {
      await this.#begin(child, store);
      if (!areModulesFirst) connect();
      await child.hub.startModules(this.#options.wasmFile, modules);
      if (areModulesFirst) connect();
    };
    const refusal = signal();
    let failure: Error | null = null;
    const started = start().catch((error: unknown) => {
      failure = error as Error;
      refusal.resolve();
    });
    const killing =
      moment.kind === "starting" ? delay(moment.afterMs) : connecting.promise.then(() => this.#comes(moment));
    await Promise.race([killing, refusal.promise, child.failed()]);
    const early: unknown = failure ?? (child.isAlive ? child.failures[0] : "the process ended") ?? null;
    await child.kill();
    await started;
    await ended;
    if (early !== null) throw new Error(`the gateway ended by itself: ${textOf(early)}`);
  }

  /** Resolves when it is time to kill. */
  async #comes({ event, count, afterMs }: KillMoment & { readonly kind: "working" }): Promise<void> {
    const { promise, resolve } = signal();
    let left = count;
    const happened = (): void => {
      if (--left === 0) resolve();
    };
    for (const device of this.#devices) {
      device.onAck = () => {
        if (event === "acknowledged") happened();
        if (event !== null && this.#devices.every(({ isDone }) => isDone)) resolve();
      };
    }
    if (event === "delivered") this.#consumer.onDelivery = happened;
    await Promise.race([promise, delay(afterMs)]);
    for (const device of this.#devices) device.onAck = () => undefined;
    this.#consumer.onDelivery = () => undefined;
  }

  async #lastLife(round: number): Promise<Peace> {
    await using child = this.#takeProcess(true);
    await this.#begin(child, this.#drawStore());
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spare?.kill();
  }
}

type Peace = Pick<History, "log" | "deadLetters" | "counters" | "redelivered">;

async function whatIsLeft({ hub }: HubChild): Promise<Peace> {
  const log = await wholeLog(hub);
  const deadLetters = await wholeGraveyard(hub);
  const counters = new Map<string, Map<string, number>>();
  for (const module of MODULES) counters.set(module, await countersOf(hub, module));
  const redelivered = (await hub.status()).counters["redelivered"]!;
  return { log, deadLetters, counters, redelivered };
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

const textOf = (early: unknown): string => (early instanceof Error ? early.message : String(early));

const isQueue = (endpoint: string): boolean => /^[^$:]+\/[^$:]+$/.test(endpoint);

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
