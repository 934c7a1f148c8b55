/** What consumers see, and when: modules in sandboxes ahead of the disk, everybody else behind it. */
import { describe, expect, test } from "vitest";
import { align8, Block, EFFECT, EFFECT_HEADER } from "../../../abi/index.ts";
import { readLog } from "../../../hub/endpoints/event-log.ts";
import { EngineBench } from "../../support/faults/engine-bench.ts";
import { RawClient } from "../../support/faults/raw-client.ts";
import { until, WindowPublisher } from "../../support/faults/window.ts";
import { bodyAt } from "../../support/frames.ts";
import { startHub } from "../../support/hub.ts";

const TO_SINK = 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
const TO_FILTER =
  'FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/filter/inputs/in")';
const FILTER_TO_LOG = "FROM /messages/modules/filter/* INTO $upstream";

/** The effects of a result that puts one row. */
function keyValue(key: string, value: string): Block {
  const bytes = Buffer.from(key + value);
  const effect = Block.allocate(align8(EFFECT_HEADER.SIZE + 8 + bytes.length));
  effect.u32[EFFECT_HEADER.TOTAL >> 2] = effect.u8.length;
  effect.u16[EFFECT_HEADER.KIND >> 1] = EFFECT.KV_PUT;
  effect.u32.set([key.length, value.length], EFFECT_HEADER.SIZE >> 2);
  effect.u8.set(bytes, EFFECT_HEADER.SIZE + 8);
  return effect;
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** What a reader of the event log gets. */
function logged(bench: EngineBench): string[] {
  const lane = bench.engine.endpoints.open("$upstream").lane(0);
  return readLog(lane, 0, 1_000, (block, at) => bodyAt(block, at)).entries;
}

describe("while a group waits for the disk", () => {
  test("a module has its messages already, and nobody outside sees what came of them [J1 J10]", async () => {
    await using bench = new EngineBench();
    await bench.route(TO_FILTER, FILTER_TO_LOG);
    const module = await bench.module("filter");
    const publisher = bench.publisher("d");
    const release = bench.holdCommits();
    publisher.send("first");
    await until("in the sandbox", () => module.seen.length === 1);
    publisher.send("second");
    await until("in the sandbox", () => module.seen.length === 2);
    await turns(20);
    expect([publisher.acked, logged(bench)]).toEqual([[], []]);
    release();
    await until("acknowledged", () => publisher.acked.length === 2);
    await until("readable", () => logged(bench).length === 2);
  });

  test("a consumer on the network gets nothing of it [J1 J10]", async () => {
    await using bench = new EngineBench();
    await bench.route(TO_SINK);
    const delivered: string[] = [];
    bench.subscribe("sink/in", (body) => delivered.push(body));
    const publisher = bench.publisher("d");
    const release = bench.holdCommits();
    publisher.send("x");
    await turns(20);
    expect(delivered).toEqual([]);
    release();
    await until("delivered", () => delivered.length === 1);
  });
});

describe("a result", () => {
  test("that does not answer the oldest batch is dropped whole, and its messages are not passed over [J13]", async () => {
    await using bench = new EngineBench();
    await bench.route(TO_FILTER, FILTER_TO_LOG);
    const module = await bench.module("filter");
    module.isHolding = true;
    const publisher = bench.publisher("d");
    for (const body of ["a", "b"]) {
      publisher.send(body);
      await until("handed over", () => module.seen.at(-1) === body);
    }
    for (const seq of [2, 0, 99]) module.send(seq, Block.allocate(0));
    await turns(20);
    expect(bench.waiting("filter/in")).toEqual(["a", "b"]);
    module.answer();
    await until("passed on", () => bench.waiting("$upstream").length === 2);
    module.send(1, Block.allocate(0)); // and not twice
    await turns(20);
    expect(bench.waiting("$upstream")).toEqual(["a", "b"]);
  });

  test("of an incarnation that was closed is dropped, and its messages are handed over again [J13 J25]", async () => {
    await using bench = new EngineBench();
    await bench.route(TO_FILTER, FILTER_TO_LOG);
    const old = await bench.module("filter");
    old.isHolding = true;
    const publisher = bench.publisher("d");
    for (const body of ["a", "b", "c"]) publisher.send(body);
    await until("handed over", () => old.seen.length === 3);
    await bench.modules.close("filter", { drain: false });
    old.answer();
    await turns(20);
    expect(bench.waiting("filter/in")).toEqual(["a", "b", "c"]);
    const young = await bench.module("filter");
    await until("passed on", () => bench.waiting("$upstream").length === 3);
    expect([young.seen, bench.waiting("$upstream")]).toEqual([old.seen, ["a", "b", "c"]]);
  });

  test("writes key-values only when it counts: not for an incarnation that was closed, not out of order [J12 J13]", async () => {
    await using bench = new EngineBench();
    await bench.route(TO_FILTER, FILTER_TO_LOG);
    const old = await bench.module("filter");
    old.isHolding = true;
    const publisher = bench.publisher("d");
    publisher.send("a");
    await until("handed over", () => old.seen.length === 1);
    const image = () =>
      bench.modules.keyValues("filter").map((row) => row.map((bytes) => Buffer.from(bytes).toString()));
    old.send(2, keyValue("count", "of a batch that was never sent"));
    await turns(20);
    expect(image()).toEqual([]);
    await bench.modules.close("filter", { drain: false });
    old.send(1, keyValue("count", "of an incarnation that is gone"));
    const young = await bench.module("filter");
    young.isHolding = true;
    await until("handed over again", () => young.seen.length === 1);
    await turns(20);
    expect(image()).toEqual([]);
    young.send(1, keyValue("count", "1"));
    await until("consumed", () => bench.waiting("filter/in").length === 0);
    expect(image()).toEqual([["count", "1"]]);
    young.send(1, keyValue("count", "twice"));
    await turns(20);
    expect(image()).toEqual([["count", "1"]]);
  });

  test("that goes in circles is given up at the hop limit, and the module goes on [J22]", async () => {
    await using bench = new EngineBench();
    // Not certain to be a circle, since a condition might end it; so it is not refused.
    const circle = 'FROM /messages/modules/* WHERE 1 = 1 INTO BrokeredEndpoint("/modules/filter/inputs/in")';
    await bench.route(TO_FILTER, circle);
    const module = await bench.module("filter");
    bench.publisher("d").send("round and round");
    await until("given up", () => bench.engine.metrics.dead_lettered === 1);
    expect(module.seen).toHaveLength(17);
    expect([bench.waiting("filter/in"), bench.waiting("$dlq/filter/in")]).toEqual([[], ["round and round"]]);
  });
});

test("ticks of timers go before messages, and are not stored [J32]", async () => {
  await using bench = new EngineBench();
  await bench.route(TO_FILTER, FILTER_TO_LOG);
  const module = await bench.module("filter", 10);
  module.isHolding = true;
  const publisher = bench.publisher("d");
  for (let i = 0; i < 5; i++) publisher.send(`m${i}`);
  await until("ticks", () => module.ticks > 0);
  expect(bench.engine.endpoints.find("filter/in")!.bytes).toBeGreaterThan(0);
  expect([bench.waiting("filter/in")]).toEqual([["m0", "m1", "m2", "m3", "m4"]]);
  module.isHolding = false;
  module.answer();
  await until("passed on", () => bench.waiting("$upstream").length === 5);
  const ticks = module.ticks;
  await until("goes on ticking", () => module.ticks > ticks + 1);
  expect(
    bench.store
      .load()
      .lanes.flatMap(({ records }) => records)
      .reduce((sum, { count }) => sum + count, 0),
  ).toBe(5);
});

test("messages stay where they were routed when they came, whatever routes a recovered hub is given [J29]", async () => {
  const before = new EngineBench();
  await before.route(TO_SINK);
  const publisher = before.publisher("d");
  for (const body of ["a", "b"]) publisher.send(body);
  await until("acknowledged", () => publisher.acked.length === 2);
  await before.engine.close();

  await using after = new EngineBench({ store: before.store });
  await after.route(TO_SINK.replace("INTO", "WHERE new = 'yes' INTO"), "FROM /messages/* INTO $upstream");
  const again = after.publisher("d");
  again.send("c");
  await until("acknowledged", () => again.acked.length === 1);
  expect([after.waiting("sink/in"), after.waiting("$upstream")]).toEqual([["a", "b"], ["c"]]);
});

test("time to live runs while the box does: not while it is off, and not with the wall clock [J31]", async () => {
  const time = { wall: Date.UTC(2026, 0, 1), monotonic: 1_000 };
  const clock = { wall: () => time.wall, monotonic: () => time.monotonic };
  const before = new EngineBench({ clock });
  await before.routes.set({ routes: { r: { route: TO_SINK } }, timeToLiveSecs: 60 });
  const publisher = before.publisher("d");
  publisher.send("patient");
  await until("acknowledged", () => publisher.acked.length === 1);
  time.monotonic += 50_000;
  publisher.send("later");
  await until("acknowledged", () => publisher.acked.length === 2);
  await before.engine.close();

  time.wall = Date.UTC(1970, 0, 1); // no battery, and three days later at that
  time.monotonic = 5;
  await using after = new EngineBench({ store: before.store, clock });
  time.monotonic += 9_000;
  const delivered: string[] = [];
  const consumer = after.subscribe("sink/in", (body) => delivered.push(body));
  expect(delivered, "59 of its 60 seconds").toEqual(["patient", "later"]);
  consumer.close();
  time.monotonic += 2_000;
  after.engine.tick();
  after.subscribe("sink/in", (body) => delivered.push(body));
  expect(delivered.slice(2), "61 seconds").toEqual(["later"]);
  expect(after.engine.metrics.expired_ttl).toBe(1);
});

test("a consumer that settles nothing has at most 1,024 deliveries in hand, and goes on where it left off [J23]", async () => {
  await using hub = await startHub();
  await hub.routes({ r: TO_SINK });
  const total = 1_500;
  const publisher = new WindowPublisher(await hub.identity("d"), 100, String);
  publisher.onAck = () => {
    if (publisher.next >= total) publisher.stop();
  };
  void publisher.run(hub.port);
  await until("published", () => publisher.next >= total && publisher.inFlight === 0);
  publisher.disconnect();

  const inHand: number[] = [];
  const bodies: number[] = [];
  using client = new RawClient(hub.port, await hub.identity("gw", "sink"), {
    onPublish({ messageId, payload }) {
      inHand.push(messageId!);
      bodies.push(Number(String(payload)));
    },
  });
  await client.connected;
  await client.subscribe("devices/gw/modules/sink/#");
  await until("a window full", () => bodies.length >= 1_024);
  await client.ping();
  expect(bodies).toHaveLength(1_024);
  // Acknowledged out of order: the cursor stands at the first that is not settled.
  for (const packetId of inHand.slice(1)) client.puback(packetId);
  await client.ping();
  const queue = (await hub.hub.queues()).find(({ endpoint }) => endpoint === "sink/in")!;
  expect([queue.length, bodies.length]).toEqual([publisher.next, 1_024]);
  client.puback(inHand[0]!);
  await until("the rest", () => bodies.length === publisher.next);
  expect(bodies).toEqual([...bodies.keys()]);
});
