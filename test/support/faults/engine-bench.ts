/** An engine on a store in memory, with publishers and consumers whose sockets are the test's. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import {
  Block,
  encodeProperties,
  entryKind,
  entryTotal,
  RECORD,
  sections,
  EFFECT_HEADER,
  LINK_EFFECT,
  type LinkBatch,
  type ToModule,
} from "../../../abi/index.ts";
import { deliveryHostOf } from "../../../hub/delivery-host.ts";
import { Publisher, type Plan } from "../../../hub/endpoints/publisher.ts";
import { Subscriber, type SubscriberSocket } from "../../../hub/endpoints/subscriber.ts";
import { Engine } from "../../../hub/engine.ts";
import { QUEUE_DEFAULTS, type ModuleOpen, type QueueDefaults, type RouteTable } from "../../../hub/face.ts";
import { MemoryStore } from "../../../hub/journal/memory-store.ts";
import { systemClock, type Clock } from "../../../hub/journal/powered-clock.ts";
import { Modules } from "../../../hub/modules/modules.ts";
import { messagePath } from "../../../hub/router/source.ts";
import { Routes } from "../../../hub/routes.ts";
import { bodiesOf, bodyAt } from "../frames.ts";
import { GATEWAY } from "../hub.ts";

/** Bytes a queue may hold, by what it is. */
export interface EndpointBounds {
  readonly input: number;
  readonly log: number;
  readonly deadLetters: number;
}

export const UNBOUNDED: EndpointBounds = { input: Infinity, log: Infinity, deadLetters: Infinity };

export interface EngineBenchOptions {
  /** Of an engine before this one, to go on with. */
  readonly store?: MemoryStore;
  readonly clock?: Clock;
  readonly graceMs?: number;
  readonly bytesMax?: number;
  readonly bounds?: EndpointBounds;
  readonly timeToLiveClock?: "powered" | "wall";
}

export class EngineBench implements AsyncDisposable {
  readonly store: MemoryStore;
  readonly engine: Engine;
  readonly routes: Routes;
  readonly modules: Modules;
  /** While set, commits wait. */
  #held: Promise<void> | null = null;
  #release: () => void = () => undefined;
  #links: { close(): void }[] = [];

  constructor(options: EngineBenchOptions = {}) {
    this.store = options.store ?? new MemoryStore();
    this.store.beforeCommit = () => this.#held ?? Promise.resolve();
    this.engine = new Engine({
      store: this.store,
      clock: options.clock ?? systemClock,
      lingerMs: 0,
      graceMs: options.graceMs ?? 0,
      bytesMax: options.bytesMax ?? Infinity,
      timeToLiveClock: options.timeToLiveClock ?? "powered",
      queues: queuesOf(options.bounds ?? UNBOUNDED),
      onFailure: (error) => {
        throw error;
      },
    });
    this.routes = new Routes(this.engine);
    this.modules = new Modules(this.engine, GATEWAY);
  }

  async route(...routes: readonly string[]): Promise<void> {
    await this.table({}, ...routes);
  }

  /** Routes with policies of queues, and whatever else a table may say. */
  async table(more: Partial<RouteTable>, ...routes: readonly string[]): Promise<void> {
    const named = Object.fromEntries(routes.map((route, i) => [`r${i}`, { route }]));
    await this.routes.set({ routes: named, timeToLiveSecs: 7200, ...more });
  }

  /** Commits wait from now on until the returned function is called. */
  holdCommits(): () => void {
    this.#held = new Promise((resolve) => (this.#release = resolve));
    return () => {
      this.#held = null;
      this.#release();
    };
  }

  publisher(deviceId: string): TestPublisher {
    return new TestPublisher(this.engine, deviceId);
  }

  /** Bodies that wait at an endpoint. */
  waiting(endpoint: string): string[] {
    return (this.engine.endpoints.find(endpoint)?.lanes ?? []).flatMap((lane) => bodiesOf(lane));
  }

  /** Settles the oldest entries of an endpoint, as its consumer does. */
  settle(name: string, count: number): void {
    const endpoint = this.engine.endpoints.find(name)!;
    for (let i = 0; i < count; i++) endpoint.lanes[0]!.settleOne();
    this.engine.journal.touch(endpoint.lanes[0]!);
    this.engine.stepped();
    this.engine.roomChanged();
  }

  /** A module with input `in` and output `out` that passes everything on, when the test lets it. */
  async module(name: string, periodMs?: number, parts: Partial<ModuleOpen> = {}): Promise<PassingModule> {
    const { port1, port2 } = new MessageChannel();
    const module = new PassingModule(port2);
    this.#links.push(port1, port2);
    const timers = periodMs === undefined ? [] : [{ name: "tick", periodMs }];
    const spec = { name, digest: "0", inputs: ["in"], outputs: ["out"], timers, capabilities: [], ...parts };
    await this.modules.open(spec, port1);
    this.modules.ready(name);
    return module;
  }

  /** A consumer on the network, which never acknowledges. */
  subscribe(name: string, onDelivery: (body: string) => void): Subscriber {
    const endpoint = this.engine.endpoints.find(name)!;
    const socket: SubscriberSocket = {
      writableBacklogBytes: 0,
      close: () => undefined,
      publish: (_topic, bytes, from, to) => onDelivery(bytes.toString("utf8", from, to)),
    };
    const input = { endpoint, topics: { topicOf: () => Buffer.from("topic"), qosMax: 1 as const } };
    const subscriber = new Subscriber(socket, deliveryHostOf(this.engine));
    this.engine.tick();
    subscriber.subscribe([input], 1);
    return subscriber;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held = null;
    this.#release();
    for (const link of this.#links) link.close();
    await this.engine.close();
  }
}

const queuesOf = ({ input, log, deadLetters }: EndpointBounds): QueueDefaults => ({
  input: { bytesMax: input, overflow: "refuse" },
  upstream: { bytesMax: log, overflow: "drop_oldest" },
  deadLetters: { bytesMax: deadLetters },
  devicebound: QUEUE_DEFAULTS.devicebound,
});

/** One connection that publishes. */
export class TestPublisher {
  /** Packet ids, in the order they were acknowledged. */
  readonly acked: number[] = [];
  isPaused = false;
  readonly #publisher: Publisher;
  readonly #planOf: (to: string | null) => Plan;
  readonly #plans = new Map<string | null, Plan>();
  #packets = 0;

  constructor(engine: Engine, deviceId: string) {
    this.#publisher = new Publisher(engine, {
      puback: (packetId) => void this.acked.push(packetId),
      pause: () => (this.isPaused = true),
      resume: () => (this.isPaused = false),
    });
    const origin = { deviceId, moduleId: null, output: null };
    const sourceId = engine.sources.intern(origin);
    this.#planOf = (to) => {
      const app = encodeProperties(to === null ? [] : [{ name: "to", value: to }]);
      const own = { sourceId, origin, sections: sections(new Uint8Array(0), app) };
      return { ...own, path: messagePath(origin), targets: [], version: 0 };
    };
  }

  /** Publishes as packet 1, 2, 3..., with `to` as a property for routes to look at. */
  send(body: string, to: string | null = null): void {
    const bytes = Buffer.from(body);
    const plan = this.#plans.get(to) ?? this.#planOf(to);
    this.#plans.set(to, plan);
    this.#publisher.publish(plan, bytes, 0, bytes.length, true, ++this.#packets);
  }

  /** As many as the hub takes before it stops reading; returns how many. */
  sendUntilPaused(bodyOf: (i: number) => string, max = 10_000): number {
    let sent = 0;
    while (!this.isPaused && sent < max) this.send(bodyOf(sent++));
    return sent;
  }
}

/** The far end of a module link: answers each batch by passing all of it on, at once or when told to. */
export class PassingModule {
  /** Batches of messages, and ticks of timers, handed over so far. */
  batches = 0;
  ticks = 0;
  /** Bodies, in the order they were handed over. */
  readonly seen: string[] = [];
  isHolding = false;
  readonly #port: MessagePort;
  #inHand: LinkBatch[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (message: ToModule) => {
      if (message.type !== "batch") return;
      this.#look(message);
      this.#inHand.push(message);
      if (!this.isHolding) this.answer();
    });
  }

  #look({ buffer, bytes }: LinkBatch): void {
    const block = new Block(buffer);
    if (entryKind(block, 0) === RECORD.TIMER) return void this.ticks++;
    this.batches++;
    for (let at = 0; at < bytes; at += entryTotal(block, at)) this.seen.push(bodyAt(block, at));
  }

  /** Answers everything in hand. */
  answer(): void {
    for (const batch of this.#inHand.splice(0)) {
      if (entryKind(new Block(batch.buffer), 0) === RECORD.TIMER) this.send(batch.seq, Block.allocate(0));
      else this.send(batch.seq, passAll(batch));
    }
  }

  /** A result as a sandbox makes it, of any batch. */
  send(seq: number, { u8, buffer }: Block): void {
    this.#port.postMessage({ type: "result", seq, bytes: u8.length, buffer, cpuUs: 1, poisoned: 0 });
  }
}

/** The effect that passes every message of a batch on. */
function passAll({ bytes, count }: LinkBatch): Block {
  const effect = Block.allocate(EFFECT_HEADER.SIZE + 16);
  effect.u32[EFFECT_HEADER.TOTAL >> 2] = effect.u8.length;
  effect.u16[EFFECT_HEADER.KIND >> 1] = LINK_EFFECT.PASS_RUN;
  effect.u32.set([0, bytes, count, 0], EFFECT_HEADER.SIZE >> 2);
  return effect;
}
