/** What happens when a queue, the store, or the disk cannot keep up with what comes in. */
import { describe, expect, test } from "vitest";
import { GATHERED_BYTES_MAX } from "../../../hub/journal/journal.ts";
import { EngineBench, UNBOUNDED, type TestPublisher } from "../../support/faults/engine-bench.ts";
import { RawClient } from "../../support/faults/raw-client.ts";
import { until } from "../../support/faults/window.ts";
import { startHub } from "../../support/hub.ts";

const KB = 1024;
const BODY_BYTES = 1000;
const TO_SINK = 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
const TO_FILTER =
  'FROM /messages/* WHERE to = "filter" AND NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/filter/inputs/in")';
const FILTER_TO_SINK = 'FROM /messages/modules/filter/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
const TO_LOG = "FROM /messages/* INTO $upstream";
/** Less than the journal takes over what it is in no hurry to write. */
const PROMPT_MS = 2_000;
/** As the publisher holds before it stops reading its connection. */
const HELD_MAX = 16;

const numbered = (prefix: string) => (i: number) => `${prefix}${i}:`.padEnd(BODY_BYTES, "x");
const numbers = (bodies: readonly string[]): string[] => bodies.map((body) => body.split(":")[0]!);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const range = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe("an input that is full", () => {
  const bounds = { ...UNBOUNDED, input: 20 * KB };

  test("holds a few messages of a publisher, then stops reading it, and takes them in order when there is room [J20 J21]", async () => {
    await using bench = new EngineBench({ bounds });
    await bench.route(TO_SINK);
    const publisher = bench.publisher("d");
    const sent = publisher.sendUntilPaused(numbered("m"));
    await bench.engine.journal.durable();
    const taken = bench.waiting("sink/in").length;
    expect(taken).toBe(sent - HELD_MAX);
    await until("acknowledged", () => publisher.acked.length === taken);
    expect(bench.engine.endpoints.find("sink/in")!.bytes).toBeLessThan(bounds.input + 2 * BODY_BYTES);

    bench.settle("sink/in", 1);
    await until("one more", () => publisher.acked.length === taken + 1, PROMPT_MS);
    expect(publisher.isPaused, "there are still some that wait").toBe(true);
    bench.settle("sink/in", HELD_MAX);
    await until("read again", () => !publisher.isPaused);
    await until("all", () => publisher.acked.length === sent, PROMPT_MS);
    expect(publisher.acked).toEqual(upTo(sent));
    expect(numbers(bench.waiting("sink/in"))).toEqual(range("m", sent).slice(HELD_MAX + 1));
  });

  test("stops nobody whose messages go elsewhere [J20]", async () => {
    await using bench = new EngineBench({ bounds });
    const elsewhere = "FROM /messages/* WHERE $connectionDeviceId = 'other' INTO $upstream";
    await bench.route(TO_SINK.replace("INTO", "WHERE $connectionDeviceId = 'd' INTO"), elsewhere);
    const publisher = bench.publisher("d");
    publisher.sendUntilPaused(numbered("m"));
    const other = bench.publisher("other");
    for (let i = 0; i < 100; i++) other.send(numbered("o")(i));
    await until("acknowledged", () => other.acked.length === 100);
    expect([other.isPaused, publisher.isPaused]).toEqual([false, true]);
    expect(numbers(bench.waiting("$upstream"))).toEqual(range("o", 100));
  });

  test("keeps a message out of every other queue too, until all of them take it [J21]", async () => {
    await using bench = new EngineBench({ bounds });
    await bench.route(TO_SINK, TO_LOG);
    const publisher = bench.publisher("d");
    const sent = publisher.sendUntilPaused(numbered("m"));
    await bench.engine.journal.durable();
    const taken = bench.waiting("sink/in").length;
    expect(bench.waiting("$upstream")).toEqual(bench.waiting("sink/in"));
    bench.settle("sink/in", taken);
    await until("all", () => publisher.acked.length === sent, PROMPT_MS);
    expect(numbers(bench.waiting("$upstream"))).toEqual(range("m", sent));
    expect(numbers(bench.waiting("sink/in"))).toEqual(range("m", sent).slice(taken));
  });

  test("lets a message go that waited for it when its route is gone [J28]", async () => {
    await using bench = new EngineBench({ bounds });
    await bench.route(TO_SINK);
    const publisher = bench.publisher("d");
    const sent = publisher.sendUntilPaused(numbered("m"));
    await bench.route(TO_LOG);
    await until("all", () => publisher.acked.length === sent, PROMPT_MS);
    expect(publisher.isPaused).toBe(false);
    expect(numbers(bench.waiting("$upstream"))).toEqual(range("m", sent).slice(-HELD_MAX));
  });

  test("holds back a module that feeds it, and takes every result that is on its way [J20]", async () => {
    await using bench = new EngineBench({ bounds });
    await bench.route(TO_FILTER, TO_SINK.replace("INTO", "WHERE to = 'sink' INTO"), FILTER_TO_SINK);
    const module = await bench.module("filter");
    module.isHolding = true;
    const publisher = bench.publisher("d");
    for (let i = 0; i < 10; i++) await feed(bench, publisher, numbered("m")(i), "filter");
    expect(module.batches, "two are in hand, the rest waits").toBe(2);
    const sink = bench.engine.endpoints.find("sink/in")!;
    let direct = 0;
    while (!sink.isFull) await feed(bench, publisher, numbered("direct")(direct++), "sink");

    module.isHolding = false;
    module.answer();
    await until("taken, beyond the bound", () => bench.waiting("sink/in").length === direct + 2);
    await feed(bench, publisher, numbered("m")(10), "filter");
    expect(module.batches, "no more while there is no room").toBe(2);

    bench.settle("sink/in", direct);
    await until("the module goes on", () => bench.waiting("filter/in").length === 0);
    expect(numbers(bench.waiting("sink/in"))).toEqual(range("m", 11));
  });

  test("of notifications holds back a module that may report, and no other [J20]", async () => {
    await using bench = new EngineBench({ bounds });
    const toSink = TO_SINK.replace("INTO", "WHERE to = 'sink' INTO");
    const changes = 'FROM /twinChangeNotifications INTO BrokeredEndpoint("/modules/sink/inputs/in")';
    await bench.route(TO_FILTER, toSink, changes);
    const publisher = bench.publisher("d");
    const sink = bench.engine.endpoints.find("sink/in")!;
    let direct = 0;
    while (!sink.isFull) await feed(bench, publisher, numbered("direct")(direct++), "sink");

    const reporting = await bench.module("filter", undefined, { outputs: [], capabilities: ["twin"] });
    await feed(bench, publisher, numbered("m")(0), "filter");
    expect([bench.waiting("filter/in").length, reporting.batches]).toEqual([1, 0]);
    await bench.modules.close("filter", { drain: false });
    const plain = await bench.module("filter", undefined, { outputs: [] });
    plain.isHolding = true;
    await until("handed over", () => plain.batches === 1);
  });
});

/** Publishes one message, and lets everything happen that it brings about. */
async function feed(bench: EngineBench, publisher: TestPublisher, body: string, to = "sink"): Promise<void> {
  publisher.send(body, to);
  await bench.engine.journal.durable();
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("a store that is full by its own count", () => {
  test("refuses producers whatever queue is meant, and takes them again as soon as consumers settle [J19]", async () => {
    await using bench = new EngineBench({ bytesMax: 50 * KB });
    await bench.route(TO_SINK);
    const publisher = bench.publisher("d");
    let sent = 0;
    while (!publisher.isPaused && sent < 1_000) await feed(bench, publisher, numbered("m")(sent++));
    const taken = bench.waiting("sink/in").length;
    expect([taken, bench.engine.isStoreFull]).toEqual([sent - HELD_MAX, true]);
    bench.settle("sink/in", taken);
    await until("all", () => publisher.acked.length === sent, PROMPT_MS);
    expect(numbers(bench.waiting("sink/in"))).toEqual(range("m", sent).slice(taken));
  });
});

describe("a disk that does not keep up", () => {
  test("bounds what one turn may gather, also while it is idle [J5]", async () => {
    await using bench = new EngineBench();
    await bench.route(TO_LOG);
    await bench.engine.journal.durable();
    const body = "x".repeat(64 * KB);
    const publishers = range("d", 4).map((id) => bench.publisher(id));
    const sent = publishers.map((publisher) => publisher.sendUntilPaused(() => body, 1_000));
    expect(bench.engine.journal.gatheredBytes).toBeLessThan(GATHERED_BYTES_MAX + 5 * body.length);
    await until("acknowledged", () => publishers.every(({ acked }, i) => acked.length === sent[i]));
    expect(publishers.map(({ isPaused }) => isPaused)).toEqual([false, false, false, false]);
  });

  test("gets no more from modules than it may gather [J5]", async () => {
    await using bench = new EngineBench();
    await bench.route(TO_FILTER, "FROM /messages/modules/filter/* INTO $upstream");
    const module = await bench.module("filter");
    module.isHolding = true;
    const publisher = bench.publisher("d");
    const body = "x".repeat(200 * KB);
    for (let i = 0; i < 60; i++) await feed(bench, publisher, `m${i}:${body}`, "filter");
    const release = bench.holdCommits();
    module.isHolding = false;
    module.answer();
    await until("as much as it may", () => bench.engine.journal.isCongested);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(bench.engine.journal.gatheredBytes).toBeLessThan(GATHERED_BYTES_MAX + 4 * body.length);
    release();
    await until("everything has passed", () => bench.waiting("filter/in").length === 0);
    expect(numbers(bench.waiting("$upstream"))).toEqual(range("m", 60));
  });
});

describe("acknowledgements", () => {
  test("leave in the order of the packets, whatever the messages wait for [J24 MQTT-4.6.0-2]", async () => {
    await using bench = new EngineBench();
    await bench.route(
      TO_SINK.replace("INTO", "WHERE to = 'sink' INTO"),
      TO_LOG.replace("INTO", "WHERE to = 'log' INTO"),
    );
    const release = bench.holdCommits();
    const publisher = bench.publisher("d");
    for (let i = 0; i < 40; i++) {
      publisher.send("x", ["sink", "nobody", "log"][i % 3]);
      if (i % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(publisher.acked, "the first waits, and so does everybody behind it").toEqual([]);
    release();
    await until("all", () => publisher.acked.length === 40);
    expect(publisher.acked).toEqual(upTo(40));
  });

  test("of messages that no route takes do not overtake others on a connection [J24 MQTT-4.6.0-2]", async () => {
    await using hub = await startHub();
    await hub.routes({ routed: "FROM /messages/* WHERE routed = 'yes' INTO $upstream" });
    const acked: number[] = [];
    using client = new RawClient(hub.port, await hub.identity("d"), {
      onPuback: (packetId) => acked.push(packetId),
    });
    await client.connected;
    for (let packetId = 1; packetId <= 400; packetId++) {
      const topic =
        packetId % 2 === 1 ? "devices/d/messages/events/routed=yes/" : "devices/d/messages/events/";
      client.publish(topic, "x", packetId);
      if (packetId % 50 === 0) await client.ping();
    }
    await until("all", () => acked.length === 400);
    expect(acked).toEqual(upTo(400));
  });
});
