/** What becomes of messages for a full queue that does not refuse, by the policy of the queue. */
import { describe, expect, test } from "vitest";
import type { QueuePolicy } from "../../../hub/face.ts";
import { EngineBench, UNBOUNDED } from "../../support/faults/engine-bench.ts";
import { until } from "../../support/faults/window.ts";

const KB = 1024;
const BOUND = 20 * KB;
const BODY_BYTES = 1000;
const SINK = "sink/in";
const LETTERS = "$dlq/sink/in";
const TO_SINK =
  'FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/sink/inputs/in")';

const numbered = (i: number): string => `m${i}:`.padEnd(BODY_BYTES, "x");
const numbers = (bodies: readonly string[]): number[] => bodies.map((body) => Number(/\d+/.exec(body)![0]));
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const sink = (policy: QueuePolicy) => ({ queues: { [SINK]: policy } });
const bytesOf = (bench: EngineBench, name: string): number => bench.engine.endpoints.find(name)?.bytes ?? 0;

describe("a full queue that drops its oldest [J21]", () => {
  test("takes everything, keeps the newest within its bound, and counts exactly what went", async () => {
    await using bench = new EngineBench();
    await bench.table(sink({ bytesMax: BOUND, overflow: "drop_oldest" }), TO_SINK);
    const publisher = bench.publisher("d");
    for (let i = 0; i < 500; i++) publisher.send(numbered(i));
    await until("acknowledged", () => publisher.acked.length === 500);
    const kept = numbers(bench.waiting(SINK));
    expect(kept).toEqual(range(500 - kept.length, 500));
    expect(bench.engine.metrics.dropped_oldest).toBe(500 - kept.length);
    expect(bytesOf(bench, SINK)).toBeLessThanOrEqual(BOUND);
    expect(bytesOf(bench, SINK)).toBeGreaterThan(BOUND * 0.8);
    expect(publisher.isPaused).toBe(false);
  });

  test("keeps what its module has in hand, and drops what lies behind it", async () => {
    await using bench = new EngineBench();
    await bench.table(sink({ bytesMax: BOUND, overflow: "drop_oldest" }), TO_SINK);
    const module = await bench.module("sink");
    module.isHolding = true;
    const publisher = bench.publisher("d");
    publisher.send(numbered(0));
    await until("in hand", () => module.seen.length === 1);
    for (let i = 1; i < 500; i++) publisher.send(numbered(i));
    await until("acknowledged", () => publisher.acked.length === 500);
    const [lane] = bench.engine.endpoints.find(SINK)!.lanes;
    const inHand = lane!.reader.offset - lane!.cursor.offset;
    expect(bench.engine.metrics.dropped_oldest, "nothing behind what is in hand goes before it").toBe(0);

    module.isHolding = false;
    module.answer();
    await until("all that is left", () => bench.waiting(SINK).length === 0);
    const seen = numbers(module.seen);
    expect(seen.slice(0, inHand)).toEqual(range(0, inHand));
    expect(seen.slice(inHand)).toEqual(range(500 - (seen.length - inHand), 500));
    expect(bench.engine.metrics.dropped_oldest).toBe(500 - seen.length);
    expect(seen.length).toBeLessThan(100);
  });

  test("gives of its least urgent lane first", async () => {
    await using bench = new EngineBench();
    const route = 'FROM /messages/* WHERE to = "?" INTO BrokeredEndpoint("/modules/sink/inputs/in")';
    const routes = {
      urgent: { route: route.replace("?", "urgent"), priority: 0 },
      other: { route: route.replace("?", "other"), priority: 9 },
    };
    const policy = { bytesMax: BOUND, overflow: "drop_oldest" } as const;
    await bench.routes.set({ routes, timeToLiveSecs: 7200, ...sink(policy) });
    const publisher = bench.publisher("d");
    for (let i = 0; i < 100; i++) publisher.send(numbered(i), i < 10 ? "urgent" : "other");
    await until("acknowledged", () => publisher.acked.length === 100);
    const [urgent, other] = bench.engine.endpoints.find(SINK)!.lanes;
    expect([urgent!.length, other!.length < 20]).toEqual([10, true]);
  });

  test("keeps nothing back that another queue refuses", async () => {
    await using bench = new EngineBench();
    const toOther = TO_SINK.replace("sink", "other");
    const queues = {
      [SINK]: { bytesMax: BOUND, overflow: "drop_oldest" },
      "other/in": { bytesMax: BOUND, overflow: "refuse" },
    } as const;
    await bench.table({ queues }, TO_SINK, toOther);
    const publisher = bench.publisher("d");
    publisher.sendUntilPaused(numbered);
    await bench.engine.journal.durable();
    const taken = numbers(bench.waiting("other/in"));
    expect(taken).toEqual(range(0, taken.length));
    expect(numbers(bench.waiting(SINK)).at(-1)).toBe(taken.length - 1);
  });
});

describe("a full queue that gives to its dead letters [J21]", () => {
  test("moves the oldest there, with the reason: every message is in one place, after a crash too", async () => {
    await using bench = new EngineBench();
    await bench.table(sink({ bytesMax: BOUND, overflow: "dead_letter" }), TO_SINK);
    const publisher = bench.publisher("d");
    for (let i = 0; i < 200; i++) publisher.send(numbered(i));
    await until("acknowledged", () => publisher.acked.length === 200);
    await bench.engine.journal.durable();
    const places = (of: EngineBench) => [numbers(of.waiting(LETTERS)), numbers(of.waiting(SINK))];
    const [letters, kept] = places(bench);
    expect([...letters!, ...kept!]).toEqual(range(0, 200));
    expect(bench.engine.metrics).toMatchObject({ overflowed: letters!.length, dropped_oldest: 0 });
    expect(bytesOf(bench, SINK)).toBeLessThanOrEqual(BOUND);
    await using after = new EngineBench({ store: bench.store });
    expect(places(after)).toEqual([letters, kept]);
  });

  test("is bounded by the bound of the letters, and counts those that went", async () => {
    await using bench = new EngineBench({ bounds: { ...UNBOUNDED, deadLetters: 256 * KB } });
    await bench.table(sink({ bytesMax: BOUND, overflow: "dead_letter" }), TO_SINK);
    const publisher = bench.publisher("d");
    for (let i = 0; i < 2_000; i++) {
      publisher.send(numbered(i));
      if (i % 100 === 99) await bench.engine.journal.durable();
    }
    await until("acknowledged", () => publisher.acked.length === 2_000);
    await bench.engine.journal.durable();
    const [letters, kept] = [bench.waiting(LETTERS).length, bench.waiting(SINK).length];
    expect(bench.engine.metrics.dropped_oldest).toBe(2_000 - letters - kept);
    expect(bytesOf(bench, LETTERS)).toBeLessThan(3 * 256 * KB);
  });
});

describe("a policy", () => {
  test("changes without a restart: who waited for room goes on", async () => {
    await using bench = new EngineBench();
    await bench.table(sink({ bytesMax: BOUND }), TO_SINK);
    const publisher = bench.publisher("d");
    const sent = publisher.sendUntilPaused(numbered);
    await bench.table(sink({ bytesMax: BOUND, overflow: "drop_oldest" }), TO_SINK);
    await until("acknowledged", () => publisher.acked.length === sent);
    expect(publisher.isPaused).toBe(false);
    expect(bytesOf(bench, SINK)).toBeLessThanOrEqual(BOUND);
    await bench.table({}, TO_SINK);
    expect(bench.engine.endpoints.find(SINK)).toMatchObject({ bytesMax: Infinity, overflow: "refuse" });
  });

  test("comes back with the routes, for endpoints that are still to come as well", async () => {
    await using bench = new EngineBench();
    const queues = {
      [SINK]: { bytesMax: BOUND, overflow: "dead_letter", deliveriesMax: 3 },
      "later/in": { bytesMax: 7 },
    } as const;
    await bench.table({ queues }, TO_SINK);
    await using after = new EngineBench({ store: bench.store });
    expect(after.engine.endpoints.find(SINK)).toMatchObject(queues[SINK]);
    expect(after.engine.endpoints.open("later/in")).toMatchObject({ bytesMax: 7, overflow: "refuse" });
  });

  test("bounds the whole store, below the gateway's own bound only", async () => {
    await using bench = new EngineBench({ bytesMax: 40 * KB });
    await bench.table({ storeBytesMax: 10 * KB }, TO_SINK);
    const publisher = bench.publisher("d");
    publisher.sendUntilPaused(numbered, 8);
    await until("acknowledged", () => publisher.acked.length === 8);
    expect(bench.engine.isStoreFull).toBe(false);
    publisher.sendUntilPaused(numbered, 8);
    await until("full", () => bench.engine.isStoreFull);
    await bench.table({ storeBytesMax: 1024 * KB }, TO_SINK);
    expect(bench.engine.isStoreFull).toBe(false);
    publisher.sendUntilPaused(numbered, 60);
    await until("full again", () => bench.engine.isStoreFull);
    expect(bytesOf(bench, SINK)).toBeGreaterThan(40 * KB);
  });

  test("that makes room lets routes go in a circle, which could lock up otherwise [J22]", async () => {
    await using bench = new EngineBench();
    const ask = 'FROM /messages/modules/a/outputs/ask INTO BrokeredEndpoint("/modules/b/inputs/asked")';
    const answer =
      'FROM /messages/modules/b/outputs/answer INTO BrokeredEndpoint("/modules/a/inputs/answered")';
    await expect(bench.table({}, ask, answer)).rejects.toMatchObject({ code: "SP_ROUTE_CYCLE" });
    await bench.table({ queues: { "a/answered": { overflow: "drop_oldest" } } }, ask, answer);
    expect(bench.engine.endpoints.find("a/answered")?.overflow).toBe("drop_oldest");
  });
});

describe("a lane", () => {
  test("of a priority that no route has any more drains first, and goes on at its offset [J3 J4 J28]", async () => {
    await using bench = new EngineBench();
    const at = (priority: number) => ({ routes: { r: { route: TO_SINK, priority } }, timeToLiveSecs: -1 });
    const publisher = bench.publisher("d");
    const sent = async (text: string, acknowledged: number) => {
      publisher.send(text);
      await until("acknowledged", () => publisher.acked.length === acknowledged);
    };
    await bench.routes.set(at(3));
    await sent("first", 1);
    await bench.routes.set(at(5));
    await bench.routes.settle();
    await sent("second", 2);
    expect(bench.waiting(SINK)).toEqual(["first", "second"]);
    bench.settle(SINK, 1);
    await bench.routes.set(at(3));
    await sent("third", 3);
    expect(bench.engine.endpoints.find(SINK)!.lane(3).tail).toBe(2);
    await using after = new EngineBench({ store: bench.store });
    expect(after.waiting(SINK)).toEqual(["third", "second"]);
  });

  test("of an endpoint whose module is attached is a new queue after its deletion, and the module gets it [J28]", async () => {
    await using bench = new EngineBench();
    await bench.table({}, TO_SINK);
    const module = await bench.module("sink");
    module.isHolding = true;
    const publisher = bench.publisher("d");
    publisher.send(numbered(0));
    await until("in hand", () => module.seen.length === 1);
    const { queue } = bench.engine.endpoints.find(SINK)!;
    await bench.table({});
    expect(await bench.routes.settle()).toMatchObject([{ endpoint: SINK, messages: 1 }]);
    await bench.table({}, TO_SINK);
    module.isHolding = false;
    module.answer();
    publisher.send(numbered(1));
    await until("handed over", () => module.seen.length === 2);
    expect(bench.engine.endpoints.find(SINK)!.queue).toBeGreaterThan(queue);
  });
});
