/** Taps: what they show, what they leave out, and that they hold nothing up. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { openTap } from "../../../hub/operator/commands.ts";
import { TAP_EVENTS_MAX, TAP_UNREAD_MS_MAX, TAPS_MAX } from "../../../hub/operator/tap.ts";
import { EngineBench } from "../../support/faults/engine-bench.ts";
import { until } from "../../support/faults/window.ts";

const TO_FILTER =
  'FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/filter/inputs/in")';
const FILTER_TO_LOG = "FROM /messages/modules/filter/* INTO $upstream";
const ENDPOINT = "filter/in";

afterEach(() => void vi.useRealTimers());

/** A clock that the test moves. */
class Clock {
  nowMs = 1_000;
  wall = (): number => this.nowMs;
  monotonic = (): number => this.nowMs;
}

async function bench(clock = new Clock()): Promise<EngineBench> {
  const made = new EngineBench({ clock });
  await made.route(TO_FILTER, FILTER_TO_LOG);
  return made;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function read({ engine }: EngineBench, tap: number): Promise<{ bodies: string[]; skipped: number }> {
  const { events, skipped } = await engine.taps.read(tap, 0);
  return { bodies: events.map(({ body }) => Buffer.from(body).toString()), skipped };
}

describe("a tap", () => {
  test("shows what comes from now on, durable or not, and takes nothing away", async () => {
    await using b = await bench();
    const publisher = b.publisher("d");
    publisher.send("before");
    await turn();
    const { tap } = openTap(b.engine, { endpoint: ENDPOINT, perSecond: 10 });
    const release = b.holdCommits();
    publisher.send("a");
    publisher.send("b");
    await turn();
    expect(await read(b, tap)).toEqual({ bodies: ["a", "b"], skipped: 0 });
    expect(b.waiting(ENDPOINT)).toEqual(["before", "a", "b"]);
    release();
  });

  test("sees what a module consumes at once, and what comes of it", async () => {
    await using b = await bench();
    const module = await b.module("filter");
    const publisher = b.publisher("d");
    const taps = [ENDPOINT, "$upstream"].map(
      (endpoint) => openTap(b.engine, { endpoint, perSecond: 100 }).tap,
    );
    const bodies = Array.from({ length: 40 }, (_, i) => `m${i}`);
    for (const body of bodies) {
      publisher.send(body);
      await until("through the module", () => module.seen.at(-1) === body);
    }
    await until("passed on", () => b.waiting("$upstream").length === bodies.length);
    for (const tap of taps) expect(await read(b, tap)).toEqual({ bodies, skipped: 0 });
  });

  test("takes no more than its rate, and counts the rest", async () => {
    const clock = new Clock();
    await using b = await bench(clock);
    const publisher = b.publisher("d");
    const { tap } = openTap(b.engine, { endpoint: ENDPOINT, perSecond: 2 });
    for (let i = 0; i < 5; i++) publisher.send(`a${i}`);
    await turn();
    expect(await read(b, tap)).toEqual({ bodies: ["a0", "a1"], skipped: 3 });
    clock.nowMs += 500;
    for (let i = 0; i < 5; i++) publisher.send(`b${i}`);
    await turn();
    expect(await read(b, tap)).toEqual({ bodies: ["b0"], skipped: 4 });
  });

  test("whose reader is slow keeps the latest, within its bounds [J6]", async () => {
    const clock = new Clock();
    await using b = await bench(clock);
    const publisher = b.publisher("d");
    const { tap } = openTap(b.engine, { endpoint: ENDPOINT, perSecond: 1_000 });
    for (let i = 0; i < TAP_EVENTS_MAX + 500; i++) {
      if (i % 500 === 0) clock.nowMs += 1_000;
      publisher.send(`m${i}`);
      if (i % 100 === 99) await turn();
    }
    const { bodies, skipped } = await read(b, tap);
    expect([bodies.length, skipped]).toEqual([TAP_EVENTS_MAX, 500]);
    expect(bodies.at(-1)).toBe(`m${TAP_EVENTS_MAX + 499}`);
    for (let i = 0; i < 30; i++) publisher.send("x".repeat(100_000));
    clock.nowMs += 1_000;
    await turn();
    expect((await read(b, tap)).bodies.length).toBeLessThan(11);
  });

  test("shows messages of every size over the edges of slabs", async () => {
    const clock = new Clock();
    await using b = await bench(clock);
    const publisher = b.publisher("d");
    const { tap } = openTap(b.engine, { endpoint: ENDPOINT, perSecond: 1_000 });
    const sent: number[] = [];
    const seen: number[] = [];
    for (let i = 0; i < 60; i++) {
      clock.nowMs += 1_000;
      for (let n = 0; n < 3; n++) {
        sent.push(1 + ((i * 7919 + n * 104_729) % 90_000));
        publisher.send("x".repeat(sent.at(-1)!));
      }
      await turn();
      const page = await b.engine.taps.read(tap, 0);
      expect(page.skipped).toBe(0);
      seen.push(...page.events.map(({ body }) => body.length));
      await b.engine.journal.durable();
      b.settle(ENDPOINT, 3); // the lane drains, and its slabs are used again
      await b.engine.journal.durable();
    }
    expect(seen).toEqual(sent);
  });

  test("wakes its reader when something comes", async () => {
    await using b = await bench();
    const { tap } = openTap(b.engine, { endpoint: ENDPOINT, perSecond: 10 });
    const page = b.engine.taps.read(tap, 30_000);
    b.publisher("d").send("hello");
    expect((await page).events).toHaveLength(1);
  });

  test("that nobody reads is closed after half a minute; one that is waited at is not", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await using b = await bench();
    const open = () => openTap(b.engine, { endpoint: ENDPOINT, perSecond: 10 }).tap;
    const [left, waited] = [open(), open()];
    const page = b.engine.taps.read(waited, 2 * TAP_UNREAD_MS_MAX);
    vi.advanceTimersByTime(TAP_UNREAD_MS_MAX + 1);
    await expect(b.engine.taps.read(left, 0)).rejects.toMatchObject({ code: "SP_TAP_UNKNOWN" });
    expect(b.engine.taps.isAny).toBe(true);
    b.engine.taps.close(waited);
    expect((await page).events).toEqual([]);
    expect(b.engine.taps.isAny).toBe(false);
  });

  test("is one of eight, and of an endpoint that is there [J6]", async () => {
    await using b = await bench();
    const open = () => openTap(b.engine, { endpoint: ENDPOINT, perSecond: 1 }).tap;
    const [first] = Array.from({ length: TAPS_MAX }, open);
    expect(open).toThrow(expect.objectContaining({ code: "SP_TAPS_MAX" }));
    b.engine.taps.close(first!);
    open();
    expect(() => openTap(b.engine, { endpoint: "nowhere/in", perSecond: 1 })).toThrow(
      expect.objectContaining({ code: "SP_ENDPOINT_UNKNOWN" }),
    );
  });
});
