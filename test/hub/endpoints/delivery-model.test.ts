/**
 * The delivery window against a plain model: random publishing, delivering, settling in any order, rejecting,
 * giving back, disconnecting, expiring, crashing. The model knows messages by name and what was said of each;
 * it knows nothing of offsets, rows and slabs.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SLOTS, WINDOW, type Outcome } from "../../../hub/endpoints/delivery-window.ts";
import { EngineBench } from "../../support/faults/engine-bench.ts";
import { WindowConsumer, type Delivery } from "../../support/faults/window-consumer.ts";
import { seeded } from "../../support/seed.ts";

const ROUNDS = 12;
const STEPS = 120;
const DELIVERIES_MAX = 4;
const TTL_MS = 60_000;
/** Of every other round. */
const LOCK_MS = 150;
const ENDPOINTS = ["sink/a", "sink/b"] as const;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

type Fate = "open" | "accepted" | "letter" | "expired";

/** `expect` for what is claimed thousands of times. */
function holds(claim: boolean, what: string): void {
  if (!claim) expect.fail(what);
}

interface Message {
  readonly body: string;
  /** Route: endpoint and priority. */
  readonly lane: "urgent" | "plain" | "mortal";
  readonly index: number;
  deadline: number;
  isAcknowledged: boolean;
  fate: Fate;
  /** Hand-overs that failed, as far as the hub may know. */
  attempt: number;
  isDelivered: boolean;
  /** Accepted in a life that crashed: the hub may remember that, or deliver it again. */
  isMaybeSettled: boolean;
  isInFlight: boolean;
  sequence: number;
}

const ROUTES = {
  urgent: {
    route: 'FROM /messages/* WHERE to = "urgent" INTO BrokeredEndpoint("/modules/sink/inputs/a")',
    priority: 0,
  },
  plain: { route: 'FROM /messages/* WHERE to = "plain" INTO BrokeredEndpoint("/modules/sink/inputs/a")' },
  mortal: {
    route: 'FROM /messages/* WHERE to = "mortal" INTO BrokeredEndpoint("/modules/sink/inputs/b")',
    timeToLiveSecs: TTL_MS / 1000,
  },
} as const;
const LANES = ["urgent", "plain", "mortal"] as const;

class World {
  readonly time = { wall: Date.UTC(2026, 0, 1), monotonic: 1_000 };
  readonly messages = new Map<string, Message>();
  readonly hasLocks: boolean;
  bench!: EngineBench;
  consumer: WindowConsumer | null = null;
  #publisher!: ReturnType<EngineBench["publisher"]>;
  #sentHere: Message[] = [];
  locksOver = 0;
  /** After a crash the hub may have forgotten failed hand-overs, and settlements but those with a letter. */
  crashes = 0;
  readonly #cursors = new Map<string, number>();

  constructor(hasLocks: boolean) {
    this.hasLocks = hasLocks;
  }

  async begin(store?: EngineBench["store"]): Promise<void> {
    const clock = { wall: () => this.time.wall, monotonic: () => this.time.monotonic };
    this.bench = new EngineBench({ clock, ...(store && { store }) });
    await this.bench.routes.set({ routes: ROUTES, timeToLiveSecs: -1 });
    this.bench.engine.endpoints.find("sink/a")!.deliveriesMax = DELIVERIES_MAX;
    this.#publisher = this.bench.publisher("d");
    this.#sentHere = [];
  }

  publish(lane: Message["lane"]): void {
    const index = this.messages.size;
    const message: Message = {
      body: `m${index}`,
      lane,
      index,
      deadline: Infinity,
      isAcknowledged: false,
      fate: "open",
      attempt: 0,
      isDelivered: false,
      isMaybeSettled: false,
      isInFlight: false,
      sequence: -1,
    };
    this.messages.set(message.body, message);
    this.#sentHere.push(message);
    this.#publisher.send(message.body, lane);
    if (lane === "mortal") message.deadline = this.bench.engine.poweredNow + TTL_MS;
  }

  async settleDown(): Promise<void> {
    await turns(4);
    this.#collect();
  }

  #collect(): void {
    for (const packetId of this.#publisher.acked.splice(0))
      this.#sentHere[packetId - 1]!.isAcknowledged = true;
  }

  connect(): void {
    const { engine } = this.bench;
    const setup = this.hasLocks ? { engine, lockMs: LOCK_MS } : { engine };
    this.consumer = new WindowConsumer(setup, ...ENDPOINTS);
    this.consumer.credit = 0;
    this.consumer.onDelivery = (delivery) => this.#onDelivery(delivery);
    this.consumer.onLockOver = (sequence) => {
      const message = this.inFlight().find((other) => other.sequence === sequence);
      holds(message !== undefined, `the lock of ${sequence} is over, and nothing is in hand`);
      this.#giveBack(message!);
      this.locksOver++;
    };
  }

  disconnect(): void {
    this.consumer?.window.close();
    this.consumer = null;
    for (const message of this.inFlight()) this.#giveBack(message);
  }

  #giveBack(message: Message): void {
    message.isInFlight = false;
    message.attempt++;
  }

  inFlight(): Message[] {
    return [...this.messages.values()].filter(({ isInFlight }) => isInFlight);
  }

  waitingOf(lane: Message["lane"]): Message[] {
    return [...this.messages.values()].filter((m) => m.lane === lane && m.fate === "open");
  }

  #onDelivery({ body, sequence, attempt }: Delivery): void {
    const message = this.messages.get(body)!;
    this.#collect();
    holds(message.isAcknowledged, `${body} is delivered before it is durable`);
    holds(message.fate === "open", `${body} is delivered, and ${message.fate}`);
    holds(!message.isInFlight, `${body} is delivered, and in hand`);
    const isCounted = this.crashes === 0 ? attempt === message.attempt : attempt <= message.attempt;
    holds(isCounted, `${body}: attempt ${attempt} instead of ${message.attempt}`);
    holds(message.lane === "mortal" || attempt < DELIVERIES_MAX, `${body}: attempt ${attempt}`);
    if (!message.isDelivered) {
      const before = this.waitingOf(message.lane).find(
        (other) => other.index < message.index && this.#isDue(other),
      );
      holds(before === undefined, `${body} is sent first, and ${before?.body} waits before it`);
    }
    message.attempt = attempt;
    message.isDelivered = true;
    message.isInFlight = true;
    message.isMaybeSettled = false;
    message.sequence = sequence;
    const sharing = this.inFlight().filter((other) => other.sequence === sequence);
    holds(sharing.length === 1, `${body} shares a sequence number`);
  }

  /** It must be delivered before any that was never sent. */
  #isDue({ isInFlight, isMaybeSettled, attempt, deadline }: Message): boolean {
    if (isInFlight || isMaybeSettled || attempt >= DELIVERIES_MAX) return false;
    return deadline > this.bench.engine.poweredNow;
  }

  settle(message: Message, outcome: Outcome): void {
    // The model first: what is settled may lead to deliveries at once.
    message.isInFlight = false;
    if (outcome === "accepted") message.fate = "accepted";
    else if (outcome === "rejected") message.fate = "letter";
    else message.attempt++;
    expect(this.consumer!.window.settle(message.sequence, outcome), message.body).toBe(true);
  }

  /** What the hub did by itself: letters for want of deliveries, expiry, cursors. */
  observe(): void {
    this.#observeLetters();
    for (const name of ENDPOINTS) {
      this.#observeLanes(name);
      this.#observeMissing(name);
    }
    const inHand = this.inFlight().length;
    if (this.consumer !== null) holds(this.consumer.window.outstanding === inHand, `${inHand} are in hand`);
  }

  #observeLetters(): void {
    const letters = ENDPOINTS.flatMap((name) => this.bench.waiting(`$dlq/${name}`));
    holds(new Set(letters).size === letters.length, "a letter each");
    for (const body of letters) {
      const message = this.messages.get(body)!;
      if (message.fate === "letter") continue;
      holds(message.fate === "open" && !message.isInFlight, `${body} is a letter, and ${message.fate}`);
      holds(message.attempt >= DELIVERIES_MAX, `${body}: given up after ${message.attempt}`);
      message.fate = "letter";
    }
    const held = new Set(letters);
    for (const { fate, body } of this.messages.values()) {
      holds(fate !== "letter" || held.has(body), `${body}: where is the letter`);
    }
  }

  #observeLanes(name: (typeof ENDPOINTS)[number]): void {
    for (const { priority, cursor, reader } of this.bench.engine.endpoints.find(name)!.lanes) {
      const key = `${name}/${priority}`;
      holds(cursor.offset >= (this.#cursors.get(key) ?? 0), `${key}: the cursor went back`);
      holds(reader.offset - cursor.offset <= WINDOW, `${key}: beyond the window`);
      this.#cursors.set(key, cursor.offset);
    }
  }

  /** Everything acknowledged and not settled is there; what is not there has expired. */
  #observeMissing(name: (typeof ENDPOINTS)[number]): void {
    const there = new Set(this.bench.waiting(name));
    for (const message of this.messages.values()) {
      const { lane, body, fate, isAcknowledged, isInFlight, deadline } = message;
      if ((lane === "mortal") !== (name === "sink/b") || !isAcknowledged) continue;
      if (fate !== "open" || there.has(body)) continue;
      holds(!isInFlight, `${body} is in hand, and gone`);
      if (!message.isMaybeSettled) holds(deadline <= this.bench.engine.poweredNow, `${body} is lost`);
      message.fate = message.isMaybeSettled ? "accepted" : "expired";
    }
  }

  /** Power goes, between two groups or in the middle of one. */
  async crash(): Promise<void> {
    this.crashes++;
    this.bench.store.beforeCommit = () => new Promise(() => undefined);
    await turns(2);
    this.#collect();
    vi.clearAllTimers();
    this.consumer = null;
    await this.begin(this.bench.store);
    this.#cursors.clear();
    const letters = new Set(ENDPOINTS.flatMap((name) => this.bench.waiting(`$dlq/${name}`)));
    const waiting = new Set(ENDPOINTS.flatMap((name) => this.bench.waiting(name)));
    for (const message of this.messages.values()) {
      if (message.isInFlight) this.#giveBack(message);
      // A settlement may be forgotten, but never one whose letter was written.
      if (message.fate === "letter" && !letters.has(message.body)) {
        expect(waiting.has(message.body), `${message.body}: neither letter nor entry`).toBe(true);
        message.fate = "open";
        message.attempt++; // it was handed over, and the answer is forgotten
      }
      if (message.fate === "accepted" && waiting.has(message.body)) {
        message.fate = "open";
        message.attempt++;
        message.isMaybeSettled = true;
      }
      if (message.fate === "expired" && waiting.has(message.body)) message.fate = "open";
      if (message.fate === "open" && !message.isAcknowledged && !waiting.has(message.body))
        this.messages.delete(message.body);
    }
  }
}

test("whatever happens in whatever order: nothing is lost, settled twice, or out of order; what comes again is counted [J3 J10 J23]", async () => {
  const { below, random } = seeded("delivery window");
  const outcomes: readonly Outcome[] = [
    "accepted",
    "accepted",
    "accepted",
    "rejected",
    "released",
    "modified",
  ];
  let [deliveries, redeliveries, crashes, locksOver] = [0, 0, 0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const world = new World(round % 2 === 1);
    await world.begin();
    world.connect();
    for (let step = 0; step < STEPS; step++) {
      const dice = random();
      const { consumer } = world;
      if (dice < 0.3) {
        for (let i = below(8); i > 0; i--) world.publish(LANES[below(3)]!);
        if (random() < 0.8) await world.settleDown();
      } else if (dice < 0.55 && consumer !== null) {
        consumer.credit = below(12);
        world.bench.engine.tick();
        consumer.window.pump();
      } else if (dice < 0.8 && consumer !== null) {
        for (let i = below(6); i > 0; i--) {
          const inFlight = world.inFlight();
          if (inFlight.length > 0)
            world.settle(inFlight[below(inFlight.length)]!, outcomes[below(outcomes.length)]!);
        }
      } else if (dice < 0.84 && consumer !== null) {
        expect(consumer.window.settle(below(100_000) * SLOTS + SLOTS - 1, "accepted"), "of no slot").toBe(
          false,
        );
      } else if (dice < 0.88) {
        if (consumer === null) world.connect();
        else world.disconnect();
      } else if (dice < 0.92) {
        world.time.monotonic += below(40_000);
      } else if (dice < 0.97) {
        vi.advanceTimersByTime(100);
        await world.settleDown();
      } else {
        await world.crash();
        crashes++;
        world.connect();
      }
      world.observe();
      deliveries += consumer?.got.length ?? 0;
      redeliveries += consumer?.got.filter(({ attempt }) => attempt > 0).length ?? 0;
      consumer?.got.splice(0);
    }
    locksOver += world.locksOver;
    await finish(world);
  }
  expect([deliveries > 100 * ROUNDS, redeliveries > 10 * ROUNDS]).toEqual([true, true]);
  expect([crashes > 0, locksOver > 0]).toEqual([true, true]);
});

/** All that waits is taken: then every acknowledged message has had its one fate. */
async function finish(world: World): Promise<void> {
  await world.settleDown();
  if (world.consumer === null) world.connect();
  const consumer = world.consumer!;
  for (let i = 0; i < 100; i++) {
    consumer.credit = 1_000;
    world.bench.engine.tick();
    consumer.window.pump();
    const inFlight = world.inFlight();
    if (inFlight.length === 0) break;
    for (const message of inFlight) world.settle(message, "accepted");
  }
  await world.settleDown();
  world.observe();
  expect(ENDPOINTS.flatMap((name) => world.bench.waiting(name))).toEqual([]);
  for (const { body, fate, isAcknowledged } of world.messages.values()) {
    if (isAcknowledged) expect([body, fate]).not.toEqual([body, "open"]);
  }
  await world.bench[Symbol.asyncDispose]();
}
