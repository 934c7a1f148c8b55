/** Rates and the use of flash, from samples alone. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Gauges } from "../../../hub/operator/gauges.ts";
import { flashUse, NOTHING_WRITTEN } from "../../../hub/operator/flash-budget.ts";
import { EngineBench, UNBOUNDED } from "../../support/faults/engine-bench.ts";
import { frameOf } from "../../support/frames.ts";
import { startHub } from "../../support/hub.ts";

const TO_FILTER = 'FROM /messages/* INTO BrokeredEndpoint("/modules/filter/inputs/in")';

function benchWithClock(options: { bytesMax?: number } = {}) {
  const clock = { nowMs: 1_000, wall: () => clock.nowMs, monotonic: () => clock.nowMs };
  const bounds = { ...UNBOUNDED, input: options.bytesMax ?? Infinity };
  return { clock, bench: new EngineBench({ clock, bounds }) };
}

test("rates are of the last minute: what came before is forgotten, what is new counts from its first message", async () => {
  const { clock, bench } = benchWithClock();
  await using b = bench;
  await b.route(TO_FILTER);
  const gauges = new Gauges(b.engine);
  const publisher = b.publisher("d");
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) publisher.send("x");
    await b.engine.journal.durable();
  };
  const row = () => gauges.queues().find(({ endpoint }) => endpoint === "filter/in")!;
  await send(100);
  clock.nowMs += 10_000;
  expect(row()).toMatchObject({ inPerSecond: 10, outPerSecond: 0, length: 100, kind: "input" });
  b.settle("filter/in", 40);
  expect(row()).toMatchObject({ inPerSecond: 10, outPerSecond: 4, length: 60 });
  for (let i = 0; i < 13; i++) {
    clock.nowMs += 5_000;
    gauges.sample();
  }
  await send(30);
  expect(row()).toMatchObject({ inPerSecond: 0.5, outPerSecond: 0 });
  gauges.close();
});

test("a queue says what it may hold, what it does when it is full, and what it lost", async () => {
  const { clock, bench } = benchWithClock({ bytesMax: 4096 });
  await using b = bench;
  const route = { route: TO_FILTER, timeToLiveSecs: 1 };
  await b.routes.set({ routes: { route }, timeToLiveSecs: 7200 });
  const gauges = new Gauges(b.engine);
  const publisher = b.publisher("d");
  publisher.send("old");
  await b.engine.journal.durable();
  clock.nowMs += 2_000;
  await b.module("filter");
  const { block } = frameOf("dead");
  b.engine.bury("filter/in", null, block, 0, { reason: "verdict" });
  b.engine.journal.step();
  await b.engine.journal.durable();
  const rows = gauges.queues();
  expect(rows.find(({ endpoint }) => endpoint === "filter/in")).toMatchObject({
    bytesMax: 4096,
    overflow: "refuse",
    expired: 1,
    dropped: 0,
    consumer: "module",
  });
  expect(rows.find(({ kind }) => kind === "deadLetters")).toMatchObject({
    endpoint: "$dlq/filter/in",
    overflow: "drop_oldest",
    length: 1,
    consumer: "log",
  });
  gauges.close();
});

test("the flash budget is bytes over time and over messages", () => {
  const written = { logBytes: 5_000, checkpointBytes: 1_000, flushes: 10, checkpoints: 1 };
  expect(flashUse(NOTHING_WRITTEN, { written, messages: 12 }, 60)).toEqual({
    seconds: 60,
    bytes: 6_000,
    messages: 12,
    bytesPerSecond: 100,
    bytesPerMessage: 500,
    bytesPerDay: 8_640_000,
  });
  expect(flashUse(NOTHING_WRITTEN, NOTHING_WRITTEN, 1).bytesPerMessage).toBeNull();
});

test("a hub's status has what was written, and docs/operations.md every counter by its name", async () => {
  await using hub = await startHub();
  await hub.routes({ all: "FROM /messages/* INTO $upstream" });
  const device = await hub.connect(await hub.identity("d"));
  await device.publishAsync("devices/d/messages/events/", "x".repeat(1000), { qos: 1 });
  const { counters, flash } = await hub.hub.status();
  expect(counters["log_bytes"]).toBeGreaterThan(1000);
  expect(flash.sinceStart).toMatchObject({ messages: 1 });
  expect(flash.sinceStart.bytesPerMessage).toBeGreaterThan(1000);
  const page = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");
  const documented = [...page.matchAll(/^\| `([a-z_]+)`/gm)].map(([, name]) => name);
  expect(new Set(documented)).toEqual(new Set(Object.keys(counters)));
});
