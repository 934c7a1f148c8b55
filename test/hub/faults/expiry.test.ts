/** Time to live: which route's counts, from when, in whose time, and what becomes of those it has ended for. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RouteSpec } from "../../../hub/face.ts";
import { LmdbStore } from "../../../hub/journal/lmdb-store.ts";
import { EngineBench } from "../../support/faults/engine-bench.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { RawClient } from "../../support/faults/raw-client.ts";
import { until } from "../../support/faults/window.ts";
import { tempDir } from "../../support/temp-dir.ts";

const SINK = "sink/in";
const SWEEP_MS = 30_000;
const HOUR = 3_600_000;
const into = (condition: string): string =>
  `FROM /messages/* WHERE ${condition} AND NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/sink/inputs/in")`;
const route = (to: string, more: Partial<RouteSpec> = {}): RouteSpec => ({
  route: into(`to = "${to}"`),
  ...more,
});

function openSite(store?: EngineBench["store"]) {
  const time = { wall: Date.UTC(2027, 0, 1), monotonic: 1_000 };
  const clock = { wall: () => time.wall, monotonic: () => time.monotonic };
  return { time, bench: new EngineBench({ clock, ...(store && { store }) }) };
}

describe("time to live", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
  afterEach(() => void vi.useRealTimers());

  test("is that of the route that wins, fixed when the message comes; 0 inherits, and negative is for ever", async () => {
    const { time, bench } = openSite();
    await using _ = bench;
    const routes = {
      loses: { ...route("own"), priority: 5, timeToLiveSecs: 1_000 },
      own: { ...route("own"), priority: 1, timeToLiveSecs: 10 },
      inherits: route("inherits", { priority: 2, timeToLiveSecs: 0 }),
      absent: route("absent", { priority: 3 }),
    };
    await bench.routes.set({ routes, timeToLiveSecs: 20 });
    const publisher = bench.publisher("d");
    for (const to of ["own", "inherits", "absent"]) publisher.send(to, to);
    await bench.routes.set({ routes: { absent: route("absent", { priority: 4 }) }, timeToLiveSecs: -1 });
    publisher.send("for ever", "absent");
    await until("acknowledged", () => publisher.acked.length === 4);
    const leftAfter = (ms: number): string[] => {
      time.monotonic += ms;
      vi.advanceTimersByTime(SWEEP_MS);
      return bench.waiting(SINK);
    };
    expect(leftAfter(9_999)).toEqual(["own", "inherits", "absent", "for ever"]);
    expect(leftAfter(1)).toEqual(["inherits", "absent", "for ever"]);
    expect(leftAfter(10_000)).toEqual(["for ever"]);
    expect(leftAfter(100 * 365 * 24 * HOUR)).toEqual(["for ever"]);
    expect(bench.engine.metrics).toMatchObject({ expired_ttl: 3, dead_lettered: 0 });
  });

  test("runs for a module that does not exist yet, which gets what is left when it comes", async () => {
    const { time, bench } = openSite();
    await using _ = bench;
    const routes = {
      short: route("short", { timeToLiveSecs: 10 }),
      long: route("long", { timeToLiveSecs: 100 }),
    };
    await bench.routes.set({ routes, timeToLiveSecs: 7200 });
    const publisher = bench.publisher("d");
    for (const to of ["long", "short", "long"]) publisher.send(to, to);
    await until("acknowledged", () => publisher.acked.length === 3);
    time.monotonic += 50_000;
    bench.engine.tick();
    const module = await bench.module("sink");
    await until("drained", () => bench.waiting(SINK).length === 0);
    expect(module.seen).toEqual(["long", "long"]);
    expect(bench.engine.metrics.expired_ttl).toBe(1);
  });

  test("takes what died behind a message that lives, once room is short; order and the living stay", async () => {
    const { time, bench } = openSite();
    const routes = { short: route("short", { timeToLiveSecs: 10 }), long: route("long") };
    const table = { routes, timeToLiveSecs: -1, queues: { [SINK]: { bytesMax: 400_000 } } };
    await bench.routes.set(table);
    const publisher = bench.publisher("d");
    const body = (to: string, i: number) => `${to} ${i}:`.padEnd(1_000, "x");
    for (let i = 0; i < 150; i++)
      publisher.send(body(i % 50 === 0 ? "long" : "short", i), i % 50 === 0 ? "long" : "short");
    await until("acknowledged", () => publisher.acked.length === 150);
    time.monotonic += 20_000;
    vi.advanceTimersByTime(SWEEP_MS);
    expect(bench.waiting(SINK).length, "half of the bound is not reached").toBe(150);
    for (let i = 150; i < 250; i++) publisher.send(body("short", i), "short");
    await until("acknowledged", () => publisher.acked.length === 250);
    time.monotonic += 20_000;
    vi.advanceTimersByTime(SWEEP_MS);
    const left = [0, 50, 100].map((i) => body("long", i));
    expect(bench.waiting(SINK)).toEqual(left);
    expect(bench.engine.metrics.expired_ttl).toBe(247);
    await bench.engine.close();
    await using after = openSite(bench.store).bench;
    expect(after.waiting(SINK)).toEqual(left);
  });
});

test("a condition that has no answer does not match, and is counted by itself [J29]", async () => {
  const { bench } = openSite();
  await using _ = bench;
  await bench.table({}, into("as_number(to) > 3"));
  const publisher = bench.publisher("d");
  for (const to of ["5", "2", "many", null]) publisher.send("x", to);
  await until("acknowledged", () => publisher.acked.length === 4);
  expect(bench.waiting(SINK).length).toBe(1);
  expect(bench.engine.metrics).toMatchObject({ undecided: 2, no_route: 3 });
});

test.each(["powered", "wall"] as const)(
  "three days without power, in a hub of its own: in mode %s they count as it says [J31]",
  async (timeToLiveClock) => {
    const storeDir = join(await tempDir(), "store");
    const options = { storeDir, store: { timeToLiveClock, backend: "lmdb" } } as const;
    {
      await using before = await HubChild.start(options);
      await before.hub.setRoutes({
        routes: { r: { route: into("true = true") } },
        timeToLiveSecs: 2 * 3_600,
      });
      const identity = { deviceId: "d", primaryKey: KEY, secondaryKey: KEY, enabled: true };
      await before.hub.addIdentity(identity);
      let isAcked = false;
      using client = new RawClient(before.port, identity, { onPuback: () => (isAcked = true) });
      await client.connected;
      client.publish("devices/d/messages/events/", "old", 1);
      await until("acknowledged", () => isAcked);
      await before.stop();
    }
    const store = new LmdbStore(storeDir);
    const { poweredMs, wallMs } = store.load();
    expect(Math.abs(wallMs - Date.now()), "wall time is kept").toBeLessThan(HOUR);
    const nothing = { appends: [], cursors: [], rows: [], deletedLanes: [] };
    await store.commit({ ...nothing, poweredMs, wallMs: wallMs - 72 * HOUR });
    await store.close();

    await using after = await HubChild.start(options);
    const identity = { deviceId: "gw", moduleId: "sink", primaryKey: KEY, secondaryKey: KEY, enabled: true };
    await after.hub.addIdentity(identity);
    const bodies: string[] = [];
    using client = new RawClient(after.port, identity, {
      onPublish: ({ payload }) => void bodies.push(String(payload)),
    });
    await client.connected;
    await client.subscribe("devices/gw/modules/sink/#");
    const expired = async () => (await after.hub.status()).counters["expired_ttl"];
    await expect
      .poll(async () => [bodies.length, await expired()])
      .toEqual(timeToLiveClock === "powered" ? [1, 0] : [0, 1]);
  },
);

const KEY = Buffer.alloc(32, 1).toString("base64");
