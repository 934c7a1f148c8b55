/**
 * The queue contract against a plain account of it: whatever is published, handed over, answered, expired,
 * bounded anew and crashed, a message that was acknowledged has exactly one fate, and what policy took is
 * counted exactly.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Overflow, QueuePolicy } from "../../hub/face.ts";
import { EngineBench, type PassingModule, type TestPublisher } from "../support/faults/engine-bench.ts";
import { until } from "../support/faults/window.ts";
import { seeded } from "../support/seed.ts";

const SINK = "sink/in";
const RUNS = 8;
const OPERATIONS = 150;
const SWEEP_MS = 30_000;
const URGENT_SECS = 60;

const intoSink = (to: string): string =>
  `FROM /messages/* WHERE to = "${to}" AND NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/sink/inputs/in")`;
const ROUTES = {
  urgent: { route: intoSink("urgent"), priority: 0, timeToLiveSecs: URGENT_SECS },
  other: { route: intoSink("other"), timeToLiveSecs: 4_000_000_000 },
  out: "FROM /messages/modules/sink/outputs/out INTO $upstream",
};
const OVERFLOWS: readonly Overflow[] = ["refuse", "drop_oldest", "dead_letter"];

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const numbers = (bodies: readonly string[]): number[] => bodies.map((body) => Number(/\d+/.exec(body)![0]));

/** One gateway over its crashes: the store and the clock stay, the rest is made anew. */
class Site {
  readonly time = { wallMs: Date.UTC(2027, 0, 1), monotonicMs: 0 };
  readonly acked = new Set<number>();
  /** Taken by policy, as the engines before this one counted it. */
  taken = 0;
  crashes = 0;
  bench!: EngineBench;
  module!: PassingModule;
  #publisher!: TestPublisher;
  #packets: number[] = [];
  #sent = 0;
  #settledAtStart = 0;
  #policy: QueuePolicy = {};

  async start(): Promise<void> {
    const clock = { wall: () => this.time.wallMs, monotonic: () => this.time.monotonicMs };
    this.bench = new EngineBench({ ...(this.bench && { store: this.bench.store }), clock });
    // An engine makes room as soon as it is there.
    this.#settledAtStart = this.#settled() - this.#explained();
    this.#publisher = this.bench.publisher("d");
    this.#packets = [];
    await this.bound(this.#policy);
    this.module = await this.bench.module("sink");
    this.module.isHolding = true;
  }

  async bound(policy: QueuePolicy): Promise<void> {
    this.#policy = policy;
    const routes = Object.fromEntries(
      Object.entries(ROUTES).map(([name, spec]) => [name, typeof spec === "string" ? { route: spec } : spec]),
    );
    await this.bench.routes.set({ routes, timeToLiveSecs: -1, queues: { [SINK]: policy } });
  }

  publish(to: string, bytes: number): void {
    if (this.#publisher.isPaused) return;
    this.#packets.push(this.#sent);
    this.#publisher.send(`m${this.#sent++}:`.padEnd(bytes, "x"), to);
  }

  /** Packets are numbered from 1, in the order of what was sent since the start. */
  hear(): void {
    for (const packet of this.#publisher.acked) this.acked.add(this.#packets[packet - 1]!);
  }

  #settled(): number {
    const lanes = this.bench.engine.endpoints.find(SINK)?.lanes ?? [];
    return lanes.reduce((sum, lane) => sum + lane.cursor.offset, 0);
  }

  #explained(): number {
    const { module_records, dropped_oldest, expired_ttl, overflowed } = this.bench.engine.metrics;
    return module_records + dropped_oldest + expired_ttl + overflowed;
  }

  /** At any instant: what has left the queue was answered, or is counted under the policy that took it. */
  account(): void {
    expect(this.#settled() - this.#settledAtStart).toBe(this.#explained());
  }

  /** As when the power goes: what is not committed is gone. */
  async crash(): Promise<void> {
    this.hear();
    const { dropped_oldest, expired_ttl } = this.bench.engine.metrics;
    this.taken += dropped_oldest + expired_ttl;
    this.crashes++;
    this.bench.engine.journal.state = "failed"; // commits nothing any more
    await this.bench[Symbol.asyncDispose]();
    await turn();
    await this.start();
  }

  async drain(): Promise<void> {
    this.module.isHolding = false;
    this.module.answer();
    await until("drained", () => {
      this.module.answer();
      return this.bench.waiting(SINK).length === 0 && this.#publisher.acked.length === this.#packets.length;
    });
    this.hear();
    const { dropped_oldest, expired_ttl } = this.bench.engine.metrics;
    this.taken += dropped_oldest + expired_ttl;
  }
}

describe("the contract of queues", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
  afterEach(() => void vi.useRealTimers());

  test("every acknowledged message has one fate, in order, and what policy took is counted exactly [J1 J2 J3 J20 J21]", async () => {
    const { below, random } = seeded("queue model");
    for (let run = 0; run < RUNS; run++) {
      const crashes = run % 2 === 1;
      const site = new Site();
      await site.start();
      for (let i = 0; i < OPERATIONS; i++) {
        await operate(site, below, random, crashes);
        site.account();
      }
      await site.drain();
      site.account();
      judge(site);
      await site.bench[Symbol.asyncDispose]();
    }
  });
});

async function operate(
  site: Site,
  below: (n: number) => number,
  random: () => number,
  crashes: boolean,
): Promise<void> {
  const kind = below(100);
  if (kind < 55) {
    const count = 1 + below(20);
    for (let i = 0; i < count; i++) site.publish(random() < 0.3 ? "urgent" : "other", 10 + below(3_000));
  } else if (kind < 70) site.module.answer();
  else if (kind < 80) await turn();
  else if (kind < 88) {
    site.time.monotonicMs += below(2 * URGENT_SECS * 1000);
    site.time.wallMs += (random() - 0.5) * 7_200_000;
    if (random() < 0.5) vi.advanceTimersByTime(SWEEP_MS);
  } else if (kind < 96) {
    await site.bound({ bytesMax: 1_000 + below(60_000), overflow: OVERFLOWS[below(OVERFLOWS.length)]! });
  } else if (crashes) await site.crash();
  else await site.bench.engine.journal.durable();
}

function judge(site: Site): void {
  const passed = numbers(site.bench.waiting("$upstream"));
  const letters = numbers(site.bench.waiting(`$dlq/${SINK}`));
  const fates = new Set([...passed, ...letters]);
  expect(fates.size, "none has two").toBe(passed.length + letters.length);
  const missing = [...site.acked].filter((number) => !fates.has(number)).length;
  // What an engine took and did not commit before it crashed was still there for the next one, and taken again.
  if (site.crashes === 0) expect(missing).toBe(site.taken);
  else expect(missing).toBeLessThanOrEqual(site.taken);
}
