/**
 * The engine: the journal with everything that takes steps in it. It runs in turns: whatever arrives in one
 * turn of the event loop is stepped, then modules get their batches and the journal may seal; when a group is
 * durable, acknowledgements and deliveries that waited for it go out (J1).
 */
import { randomBytes } from "node:crypto";
import type { Block, DeadLetterReason } from "../abi/index.ts";
import { DeadLetters } from "./endpoints/dead-letters.ts";
import { Endpoints } from "./endpoints/endpoints.ts";
import { UPSTREAM, type Endpoint } from "./endpoints/endpoint.ts";
import { expire } from "./endpoints/expiry.ts";
import type { LetterOrigin } from "./endpoints/letter.ts";
import { makeRoom, type GiveUp } from "./endpoints/overflow.ts";
import type { Ingress, Publisher } from "./endpoints/publisher.ts";
import { Journal } from "./journal/journal.ts";
import type { Lane } from "./journal/lane.ts";
import type { Clock, ClockMode } from "./journal/powered-clock.ts";
import type { Store } from "./journal/store.ts";
import { TABLE } from "./journal/tables.ts";
import { QUEUE_DEFAULTS, type QueueDefaults } from "./face.ts";
import { LaneLosses } from "./operator/lane-losses.ts";
import { Metrics } from "./metrics.ts";
import { Router, type ActiveRoute, type Target } from "./router/router.ts";
import { Sources } from "./sources.ts";
import { Taps } from "./operator/tap.ts";

/** How often waiting entries are looked through for expired ones, ms. */
const EXPIRY_SWEEP_MS = 30_000;

export interface EngineOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly lingerMs: number;
  readonly graceMs: number;
  readonly bytesMax: number;
  readonly queues?: QueueDefaults;
  readonly timeToLiveClock?: ClockMode;
  readonly onFailure: (error: Error) => void;
}

export class Engine implements Ingress, GiveUp {
  readonly journal: Journal;
  readonly endpoints: Endpoints;
  readonly deadLetters: DeadLetters;
  readonly sources: Sources;
  readonly taps: Taps;
  readonly metrics = new Metrics();
  readonly losses = new LaneLosses();
  readonly clock: Clock;
  wallNow: number;
  poweredNow: number;
  readonly uidEpoch: number;
  readonly uidBoot: number;
  uidSequence = 0;
  /** Goes up with every change of routes: plans of another version are made anew. */
  routesVersion = 1;

  #router = new Router([]);
  #isTurnPending = false;
  /** Publishers that wait for acknowledgements, and those that wait for room. */
  #waiting: Publisher[] = [];
  #stalled: Publisher[] = [];
  #isRetryPending = false;
  readonly #bytesMax: number;
  /** The bound that is in force: a deployment may ask for a smaller one. */
  #bytesMaxNow: number;
  #isStoreFull = false;
  /** Some lane is held until what is in flight there is settled. */
  #isHolding = false;
  #eventReaders: (() => void)[] = [];
  /** Nothing will become durable any more. */
  isClosed = false;
  readonly #sweep: NodeJS.Timeout;

  /** Opens the store. @throws SP_STORE_CORRUPT */
  constructor(options: EngineOptions) {
    this.clock = options.clock;
    this.#bytesMax = this.#bytesMaxNow = options.bytesMax;
    this.journal = new Journal({
      ...options,
      onDurable: () => this.#onDurable(),
      onLingerEnding: () => this.#pumpModules(),
    });
    this.wallNow = options.clock.wall();
    this.poweredNow = this.journal.powered.now();
    this.endpoints = new Endpoints(this.journal, options.queues ?? QUEUE_DEFAULTS);
    this.deadLetters = new DeadLetters(this.journal, this.endpoints, (lane, count) =>
      this.dropped(lane, count),
    );
    this.sources = new Sources(this.journal);
    this.taps = new Taps(this.endpoints, this.sources, options.clock);
    this.endpoints.open(UPSTREAM);
    [this.uidEpoch, this.uidBoot] = this.#countBoot();
    this.#sweep = setInterval(() => this.#sweepExpired(), EXPIRY_SWEEP_MS).unref();
  }

  /** A store's epoch is random, a boot counts: together they make sequences that start at 0 unique (J30). */
  #countBoot(): [epoch: number, boot: number] {
    const { tables } = this.journal;
    const row = Buffer.alloc(8);
    const last = tables.get(TABLE.META, "boot");
    row.writeUInt32LE(last?.readUInt32LE(0) ?? randomBytes(4).readUInt32LE(0), 0);
    row.writeUInt32LE((last?.readUInt32LE(4) ?? 0) + 1, 4);
    tables.put(TABLE.META, "boot", row);
    this.journal.step();
    return [row.readUInt32LE(0), row.readUInt32LE(4)];
  }

  setRouter(router: Router): void {
    this.#router = router;
    this.routesVersion++;
  }

  targets(path: string): readonly Target[] {
    return this.#router.targets(path);
  }

  /** Routes in force that lead to an endpoint, most urgent first. */
  routesTo(endpoint: Endpoint): readonly ActiveRoute[] {
    return this.#router.routesTo(endpoint);
  }

  /** Full by our own counter (J19), or as the disk has it: producers wait, consumers and results go on. */
  get isStoreFull(): boolean {
    return this.#isStoreFull || !this.journal.admits;
  }

  /** The clocks that everything in this turn is stamped with. */
  tick(): void {
    this.wallNow = this.clock.wall();
    this.poweredNow = this.journal.powered.now();
  }

  stepped(): void {
    if (this.#isTurnPending) return;
    this.#isTurnPending = true;
    this.tick();
    setImmediate(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#isTurnPending = false;
    this.tick();
    this.journal.stepped(this.clock.monotonic());
    if (this.taps.isAny) this.taps.look(); // before anybody consumes what is new
    this.journal.kick();
    if (!this.journal.isLingering) this.#pumpModules();
  };

  #pumpModules(): void {
    for (const endpoint of this.endpoints.all()) {
      if (endpoint.consumer?.kind === "module") endpoint.consumer.pump();
    }
  }

  waits(publisher: Publisher): void {
    if (publisher.isWaiting) return;
    publisher.isWaiting = true;
    this.#waiting.push(publisher);
  }

  stalls(publisher: Publisher): void {
    if (publisher.isStalled) return;
    publisher.isStalled = true;
    this.#stalled.push(publisher);
  }

  #onDurable(): void {
    this.tick();
    this.#makeRoom();
    this.#release();
    for (const endpoint of this.endpoints.all()) {
      if (endpoint.consumer !== null && endpoint.consumer.kind !== "module") endpoint.consumer.pump();
    }
    if (!this.journal.isLingering) this.#pumpModules(); // they were held back while too much was gathered
    for (const wake of this.#eventReaders.splice(0)) wake();
  }

  /** Makes room in queues that are over their bound and do not refuse, and adds up what all of them hold. */
  #makeRoom(): void {
    let bytes = 0;
    let isHolding = false;
    for (const endpoint of this.endpoints.all()) {
      // Dead letters are kept within their bound as they come.
      const mayGive = endpoint.overflow !== "refuse" && endpoint.kind !== "deadLetters";
      if (mayGive && makeRoom(endpoint, this)) isHolding = true;
      bytes += endpoint.bytes;
    }
    this.#isHolding = isHolding;
    this.#isStoreFull = bytes >= this.#bytesMaxNow;
  }

  /** Bound of the whole store that a deployment asks for; the gateway's own is never exceeded. */
  boundStore(bytesMax: number): void {
    this.#bytesMaxNow = Math.min(this.#bytesMax, bytesMax);
    this.#makeRoom();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const publisher of waiting) {
      publisher.isWaiting = false;
      if (publisher.release()) this.waits(publisher);
    }
    if (this.#stalled.length > 0) this.#retry();
  }

  readonly #retry = (): void => {
    this.#isRetryPending = false;
    const wasHolding = this.#isHolding;
    this.#makeRoom();
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const publisher of stalled) {
      publisher.isStalled = false;
      if (publisher.retry()) this.stalls(publisher);
    }
    if (!wasHolding) return;
    this.stepped();
    for (const endpoint of this.endpoints.all()) endpoint.consumer?.pump();
  };

  /** Room may be new, or can be made: a consumer has settled, or an endpoint is gone. */
  roomChanged(): void {
    if ((this.#stalled.length === 0 && !this.#isHolding) || this.#isRetryPending) return;
    this.#isRetryPending = true;
    setImmediate(this.#retry);
  }

  /** The oldest entries of a lane were given up to make room. */
  dropped(lane: Lane, count: number): void {
    this.metrics.dropped_oldest += count;
    this.losses.add(lane, "dropped", count);
    this.journal.touch(lane);
  }

  overflowed({ name }: Endpoint, lane: Lane, block: Block, frame: number): void {
    this.metrics.overflowed++;
    this.journal.touch(lane);
    this.bury(name, null, block, frame, { reason: "overflow", priority: lane.priority });
  }

  /** Time to live of a lane's entries has ended. */
  expired(lane: Lane, count: number): void {
    this.metrics.expired_ttl += count;
    this.losses.add(lane, "expired", count);
  }

  /** Resolves at the next durable group, or after `waitMs`. */
  nextDurable(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#eventReaders.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Gives a frame up, as part of the current step. */
  bury(
    endpoint: string,
    digest: string | null,
    block: Block,
    frame: number,
    reason: DeadLetterReason & LetterOrigin,
  ): void {
    this.metrics.dead_lettered++;
    const diedAtMs = this.clock.wall();
    this.deadLetters.bury(block, frame, { ...reason, endpoint, digest, diedAtMs });
  }

  /** Entries that expired with nobody to hand them to; what is in flight never expires (J21). */
  #sweepExpired(): void {
    this.journal.powered.review();
    this.tick();
    for (const endpoint of this.endpoints.all()) {
      if (endpoint.kind !== "input") continue; // logs keep theirs; `Devicebound` sees to its own
      for (const lane of endpoint.lanes) this.#expire(endpoint, lane);
    }
    this.#makeRoom();
    this.stepped();
  }

  #expire(endpoint: Endpoint, lane: Lane): void {
    const count = expire(endpoint, lane, this.poweredNow);
    if (count === 0) return;
    this.expired(lane, count);
    this.journal.touch(lane);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.#sweep);
    this.taps.closeAll();
    for (const wake of this.#eventReaders.splice(0)) wake();
    await this.journal.close();
  }
}
