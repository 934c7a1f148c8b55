/** What a consumer on the network has in hand, and what becomes of it. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { IN_HAND_BYTES_MAX, SLOTS, WINDOW, type Outcome } from "../../../hub/endpoints/delivery-window.ts";
import { PACKET_IDS } from "../../../hub/endpoints/subscriber.ts";
import type { Lane } from "../../../hub/journal/lane.ts";
import { TABLE } from "../../../hub/journal/tables.ts";
import { EngineBench } from "../../support/faults/engine-bench.ts";
import { WindowConsumer } from "../../support/faults/window-consumer.ts";

const TO_SINK = 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
const INPUT = "sink/in";
const LETTERS = `$dlq/${INPUT}`;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A bench whose sink waits for `count` messages, "0", "1", ... */
async function benchWith(count: number, size = 0, bench = new EngineBench()): Promise<EngineBench> {
  await bench.route(TO_SINK);
  const publisher = bench.publisher("d");
  for (let i = 0; i < count; i++) {
    publisher.send(String(i).padEnd(size));
    if (i % 16 === 15) await turns(2);
  }
  for (let i = 0; i < 1_000 && publisher.acked.length < count; i++) await turns(1);
  expect(publisher.acked).toHaveLength(count);
  return bench;
}

const laneOf = (bench: EngineBench): Lane => bench.engine.endpoints.find(INPUT)!.lanes[0]!;
const open = (bench: EngineBench): WindowConsumer => {
  const consumer = new WindowConsumer(bench.engine, INPUT);
  consumer.window.pump();
  return consumer;
};
const bodies = ({ got }: WindowConsumer): string[] =>
  got.map(({ body, attempt }) => `${body.trim()}/${attempt}`);
const settle = ({ window, got }: WindowConsumer, at: number, outcome: Outcome): boolean =>
  window.settle(got[at]!.sequence, outcome);

function residentBytes(lane: Lane): number {
  let bytes = 0;
  for (let slab: Lane["head"] | null = lane.head; slab !== null; slab = slab.next)
    bytes += slab.block?.u8.length ?? 0;
  return bytes;
}

describe("a delivery", () => {
  test("is settled in any order, once, and the cursor stands at the first that is not [J23]", async () => {
    await using bench = await benchWith(5);
    const consumer = open(bench);
    expect([settle(consumer, 3, "accepted"), settle(consumer, 1, "accepted")]).toEqual([true, true]);
    expect([settle(consumer, 1, "released"), laneOf(bench).cursor.offset]).toEqual([false, 0]);
    settle(consumer, 0, "accepted");
    expect(laneOf(bench).cursor.offset).toBe(2);
    expect(consumer.window.receive(consumer.got[2]!.sequence), "received is not settled").toBe(true);
    expect(laneOf(bench).cursor.offset).toBe(2);
    settle(consumer, 2, "accepted");
    expect([laneOf(bench).cursor.offset, consumer.window.outstanding]).toEqual([4, 1]);
  });

  test.for<Outcome>(["released", "modified"])(
    "that is %s comes again before those that were never sent, and the others stay in hand [J25]",
    async (outcome) => {
      await using bench = await benchWith(6);
      const consumer = new WindowConsumer(bench.engine, INPUT);
      consumer.credit = 3;
      consumer.window.pump();
      settle(consumer, 2, outcome);
      settle(consumer, 1, outcome);
      consumer.credit = 10;
      consumer.window.pump();
      expect(bodies(consumer)).toEqual(["0/0", "1/0", "2/0", "1/1", "2/1", "3/0", "4/0", "5/0"]);
      expect(consumer.window.outstanding).toBe(6);
    },
  );

  test("that is rejected is a letter, and settled, in one group [J23 J9]", async () => {
    const bench = await benchWith(3);
    const consumer = open(bench);
    await turns(5);
    bench.store.beforeCommit = () => new Promise(() => undefined);
    settle(consumer, 1, "rejected");
    await turns(5);
    // Power is gone before the group was written: neither. And after it: both.
    await using after = new EngineBench({ store: bench.store });
    expect([after.waiting(INPUT), after.waiting(LETTERS)]).toEqual([["0", "1", "2"], []]);
    const again = open(after);
    again.window.settle(again.got[1]!.sequence, "rejected", "no such valve");
    await turns(5);
    after.store.beforeCommit = () => new Promise(() => undefined);
    await using last = new EngineBench({ store: bench.store });
    expect(last.waiting(LETTERS)).toEqual(["1"]);
    expect(open(last).got.map(({ body }) => body)).toEqual(["0", "2"]);
  });

  test("that came back as often as its endpoint allows is a letter [J25]", async () => {
    await using bench = await benchWith(2);
    bench.engine.endpoints.find(INPUT)!.deliveriesMax = 3;
    const consumer = open(bench);
    for (const at of [0, 2, 3]) settle(consumer, at, "released");
    expect(bodies(consumer)).toEqual(["0/0", "1/0", "0/1", "0/2"]);
    expect(bench.waiting(LETTERS)).toEqual(["0"]);
    expect(laneOf(bench).cursor.offset).toBe(1);
  });

  test("for which there is no form is a letter, and the next ones go on", async () => {
    await using bench = await benchWith(3);
    const consumer = new WindowConsumer(bench.engine, INPUT);
    consumer.answer = (body) => (body === "1" ? "undeliverable" : "sent");
    consumer.window.pump();
    expect([bodies(consumer), bench.waiting(LETTERS)]).toEqual([["0/0", "2/0"], ["1"]]);
  });
});

describe("a consumer that goes", () => {
  test("leaves all it did not settle to the next, counted, and nothing that was never sent [J25]", async () => {
    await using bench = await benchWith(5);
    const consumer = new WindowConsumer(bench.engine, INPUT);
    consumer.credit = 3;
    consumer.window.pump();
    settle(consumer, 1, "accepted");
    consumer.window.close();
    expect(settle(consumer, 0, "accepted"), "too late").toBe(false);
    expect(bench.engine.endpoints.find(INPUT)!.consumer).toBeNull();
    expect(bodies(open(bench))).toEqual(["0/1", "2/1", "3/0", "4/0"]);
  });

  test("for another that takes over settles nothing of what that one has [J25]", async () => {
    await using bench = await benchWith(3);
    const old = open(bench);
    const young = open(bench);
    expect([settle(old, 0, "accepted"), old.window.outstanding]).toEqual([false, 0]);
    old.window.close();
    expect(settle(young, 0, "accepted"), "the young one stays").toBe(true);
    expect([bodies(young), laneOf(bench).cursor.offset]).toEqual([["0/1", "1/1", "2/1"], 1]);
  });

  test("with the hub, after a stop, has its attempts and settlements remembered [J23 J25]", async () => {
    const bench = await benchWith(4);
    const consumer = open(bench);
    settle(consumer, 2, "accepted");
    consumer.window.close();
    await bench.engine.close();
    await using after = new EngineBench({ store: bench.store });
    expect(bodies(open(after))).toEqual(["0/1", "1/1", "3/1"]);
  });
});

describe("states beyond the cursor", () => {
  test("cost no flush: they ride with the next group, as if the consumer were lost then [J23]", async () => {
    const bench = await benchWith(4);
    const consumer = open(bench);
    settle(consumer, 2, "accepted");
    const { counters } = bench.engine.journal;
    await turns(5);
    const groups = counters.groups;
    vi.advanceTimersByTime(100);
    await turns(5);
    expect(counters.groups).toBe(groups);
    bench.publisher("e").send("4");
    await turns(5);
    expect(counters.groups).toBe(groups + 1);
    bench.store.beforeCommit = () => new Promise(() => undefined);
    await using after = new EngineBench({ store: bench.store });
    expect(bodies(open(after))).toEqual(["0/1", "1/1", "3/1", "4/0"]);
  });

  test("go with the lane when its last route goes [J28]", async () => {
    await using bench = await benchWith(2);
    const consumer = open(bench);
    settle(consumer, 1, "accepted");
    consumer.window.close();
    bench.publisher("d").send("x");
    await turns(5);
    const rows = () => [...bench.engine.journal.tables.entries(TABLE.DELIVERIES)].length;
    expect(rows()).toBe(1);
    await bench.routes.set({ routes: {}, timeToLiveSecs: 1 });
    expect(rows(), "there may be a way back").toBe(1);
    await bench.routes.settle();
    expect(rows()).toBe(0);
  });

  test("of a lane that is gone are forgotten, with what was in hand of it", async () => {
    await using bench = await benchWith(2);
    const consumer = open(bench);
    const endpoint = bench.engine.endpoints.find(INPUT)!;
    bench.engine.journal.deleteLane(laneOf(bench));
    endpoint.lanes = [];
    expect(settle(consumer, 0, "accepted"), "of a lane that is gone").toBe(false);
    consumer.window.pump();
    expect(consumer.window.outstanding).toBe(0);
    consumer.window.close();
    expect([...bench.engine.journal.tables.entries(TABLE.DELIVERIES)]).toEqual([]);
  });
});

describe("a consumer with something in hand", () => {
  test("is closed after thirty seconds without a settlement, and all of it is delivered again [J25]", async () => {
    await using bench = await benchWith(3);
    const consumer = open(bench);
    for (let s = 0; s < 30; s++) {
      expect(consumer.isCut, `after ${s} s`).toBe(false);
      vi.advanceTimersByTime(1_000);
    }
    vi.advanceTimersByTime(10_000);
    expect(consumer.isCut).toBe(true);
    expect(bodies(open(bench))).toEqual(["0/1", "1/1", "2/1"]);
  });

  test("that settles one now and then is never closed, however far behind it is [J25 A11]", async () => {
    await using bench = await benchWith(100);
    const consumer = open(bench);
    for (let i = 0; i < 99; i++) {
      vi.advanceTimersByTime(29_000);
      settle(consumer, i, "accepted");
    }
    expect([consumer.isCut, consumer.got.length]).toEqual([false, 100]);
  });

  test("that has nothing in hand is never closed", async () => {
    await using bench = await benchWith(1);
    const consumer = open(bench);
    settle(consumer, 0, "accepted");
    vi.advanceTimersByTime(600_000);
    expect(consumer.isCut).toBe(false);
  });
});

describe("the window", () => {
  test("ends 1,024 entries beyond the cursor, also when all but the first of them are settled [J23]", async () => {
    await using bench = await benchWith(WINDOW + 10);
    const consumer = open(bench);
    expect(consumer.got).toHaveLength(WINDOW);
    for (let i = 1; i < WINDOW; i++) settle(consumer, i, "accepted");
    expect([consumer.got.length, consumer.window.outstanding]).toEqual([WINDOW, 1]);
    settle(consumer, 0, "accepted");
    expect(consumer.got).toHaveLength(WINDOW + 10);
  });

  test("holds some megabytes at most, whatever the messages weigh, and gives them back [J6 J23]", async () => {
    await using bench = await benchWith(120, 200 * 1024);
    const consumer = open(bench);
    const inHand = consumer.got.length;
    expect(inHand).toBeGreaterThan(10);
    expect(laneOf(bench).bytesInHand).toBeLessThanOrEqual(IN_HAND_BYTES_MAX);
    for (let i = 0; i < consumer.got.length; i++) {
      settle(consumer, i, "accepted");
      if (i % 10 === 0) await turns(1);
      expect(residentBytes(laneOf(bench))).toBeLessThan(3 * IN_HAND_BYTES_MAX);
    }
    expect(consumer.got).toHaveLength(120);
  });

  test("keeps memory flat while the disk is slow and a backlog runs through it without settlements [J6]", async () => {
    await using bench = await benchWith(150, 200 * 1024);
    const release = bench.holdCommits();
    bench.publisher("e").send("waits for the disk");
    await turns(5);
    const consumer = new WindowConsumer(bench.engine, INPUT);
    consumer.answer = () => "settled";
    let most = 0;
    consumer.onDelivery = () => (most = Math.max(most, residentBytes(laneOf(bench))));
    consumer.window.pump();
    expect(consumer.got).toHaveLength(150);
    expect(most).toBeLessThan(2 * IN_HAND_BYTES_MAX);
    release();
  });

  test.for(["sent", "settled"] as const)(
    "keeps memory flat while a producer goes on and a connection takes no more of what is %s at once [J6]",
    async (answer) => {
      await using bench = await benchWith(1);
      const consumer = new WindowConsumer(bench.engine, INPUT);
      consumer.answer = () => answer;
      consumer.credit = 3;
      const publisher = bench.publisher("e");
      let most = 0;
      for (let i = 0; i < 150; i++) {
        publisher.send("x".repeat(200 * 1024));
        await turns(2);
        most = Math.max(most, residentBytes(laneOf(bench)));
      }
      expect([consumer.got.length, laneOf(bench).length > 140]).toEqual([3, true]);
      expect(most).toBeLessThan(2 * IN_HAND_BYTES_MAX);
    },
  );

  test("is tried again soon when the connection was full and nothing in hand would tell", async () => {
    await using bench = await benchWith(10);
    const consumer = new WindowConsumer(bench.engine, INPUT);
    consumer.answer = () => "settled";
    consumer.credit = 4;
    consumer.window.pump();
    consumer.credit = Infinity;
    vi.advanceTimersByTime(20);
    expect(consumer.got).toHaveLength(10);
  });
});

describe("sequence numbers", () => {
  test("of a delivery are the same when it comes again, after a crash too [J25 A11]", async () => {
    const bench = await benchWith(3);
    const consumer = open(bench);
    const numbers = consumer.got.map(({ sequence }) => sequence);
    await turns(5);
    bench.store.beforeCommit = () => new Promise(() => undefined);
    await using after = new EngineBench({ store: bench.store });
    expect(open(after).got.map(({ sequence }) => sequence)).toEqual(numbers);
  });

  test("in flight have packet ids of their own, over all lanes, and each is found by it [MQTT-2.3.1-4]", async () => {
    await using bench = new EngineBench();
    const lanes = SLOTS + 4;
    const routes = Object.fromEntries(
      Array.from({ length: lanes }, (_, i) => [
        `r${i}`,
        { route: `FROM /messages/* WHERE to = "${i}" INTO BrokeredEndpoint("/modules/sink/inputs/i${i}")` },
      ]),
    );
    await bench.routes.set({ routes, timeToLiveSecs: -1 });
    const publisher = bench.publisher("d");
    for (let n = 0; n < 3; n++) for (let i = 0; i < lanes; i++) publisher.send(`${i}:${n}`, String(i));
    for (let i = 0; i < 100 && publisher.acked.length < 3 * lanes; i++) await turns(1);

    const names = Array.from({ length: lanes }, (_, i) => `sink/i${i}`);
    const consumer = new WindowConsumer(bench.engine, ...names);
    consumer.window.pump();
    const ids = consumer.got.map(({ sequence }) => sequence % PACKET_IDS);
    expect(new Set(ids).size).toBe(ids.length);
    expect([ids.length, Math.max(...ids) < 65_535]).toEqual([3 * SLOTS, true]);
    expect(ids.map((id) => consumer.window.sequenceAt(id, PACKET_IDS))).toEqual(
      consumer.got.map(({ sequence }) => sequence),
    );
    // Lanes that found no slot get one as soon as another has nothing in hand.
    for (let i = 0; i < consumer.got.length; i++) expect(settle(consumer, i, "accepted")).toBe(true);
    expect(consumer.got).toHaveLength(3 * lanes);
    for (const name of names) expect(bench.waiting(name)).toEqual([]);
  });

  test("that are not in flight mean nothing: unknown, settled, of another lane", async () => {
    await using bench = await benchWith(2);
    const consumer = open(bench);
    settle(consumer, 0, "accepted");
    for (const { sequence } of consumer.got.slice(0, 1)) {
      for (const other of [sequence, sequence + 1, sequence + SLOTS * WINDOW, sequence + SLOTS * 2]) {
        expect(consumer.window.settle(other, "accepted")).toBe(false);
      }
    }
    const found = Array.from({ length: PACKET_IDS }, (_, i) => consumer.window.sequenceAt(i, PACKET_IDS));
    expect(found.filter((sequence) => sequence >= 0)).toEqual([consumer.got[1]!.sequence]);
    expect(laneOf(bench).cursor.offset).toBe(1);
  });
});
