/** Dead letters in the operator's hands: read, replayed, purged, over crashes. */
import { describe, expect, test } from "vitest";
import { LocalHub } from "../../../hub/hub.ts";
import {
  findDeadLetter,
  listDeadLetters,
  purgeDeadLetters,
  replayDeadLetters,
} from "../../../hub/operator/commands.ts";
import { MemoryStore } from "../../../hub/journal/memory-store.ts";
import { TABLE } from "../../../hub/journal/tables.ts";
import { EngineBench, UNBOUNDED, type EngineBenchOptions } from "../../support/faults/engine-bench.ts";
import { until } from "../../support/faults/window.ts";
import { frameOf } from "../../support/frames.ts";
import { seeded } from "../../support/seed.ts";

const ENDPOINT = "filter/in";
const TO_FILTER = 'FROM /messages/* INTO BrokeredEndpoint("/modules/filter/inputs/in")';
const KB = 1024;

type Bench = EngineBench;

const bodyOf = ({ body }: { readonly body: Uint8Array }): string => Buffer.from(body).toString();

/** Frames that die at an endpoint, durable when it resolves. */
async function bury(
  bench: Bench,
  bodies: readonly string[],
  endpoint = ENDPOINT,
  priority?: number,
): Promise<void> {
  const { engine } = bench;
  const sourceId = engine.sources.intern({ deviceId: "d", moduleId: null, output: null });
  for (const body of bodies) {
    const { block } = frameOf(body, { level: "high" }, sourceId);
    const origin = priority === undefined ? {} : { priority, attempt: 1 };
    engine.bury(endpoint, "digest", block, 0, { reason: "verdict", text: "no good", ...origin });
  }
  engine.journal.step();
  engine.stepped();
  await engine.journal.durable();
}

const letters = ({ engine }: Bench, endpoint?: string): string[] =>
  listDeadLetters(engine, { endpoint, limit: 1_000 }).letters.map(({ message }) => bodyOf(message));

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`);

async function bench(options: EngineBenchOptions = {}): Promise<Bench> {
  const made = new EngineBench(options);
  await made.route(TO_FILTER);
  return made;
}

describe("listing", () => {
  test.for([1, 3, 100])("in pages of %i finds the letters of all endpoints once, in order", async (limit) => {
    await using b = await bench();
    await bury(b, ["a0", "a1"], "a/in");
    await bury(b, ["f0", "f1", "f2"]);
    await bury(b, ["u0"], "$upstream");
    await purgeDeadLetters(b.engine, { endpoint: ENDPOINT, offset: 1 });
    const seen: string[] = [];
    let from: { endpoint: string; offset: number } | undefined;
    for (let pages = 0; pages < 10; pages++) {
      const page = listDeadLetters(b.engine, { from, limit });
      expect(page.letters.length).toBeLessThanOrEqual(limit);
      seen.push(...page.letters.map(({ message }) => bodyOf(message)));
      if (page.next === null) break;
      from = page.next;
    }
    expect(seen).toEqual(["u0", "a0", "a1", "f0", "f2"]);
    expect(letters(b, ENDPOINT)).toEqual(["f0", "f2"]);
  });

  test("an endpoint that is not there is refused with those that are; a letter that is not, by its place", async () => {
    await using b = await bench();
    await bury(b, ["x"]);
    const known = ["$upstream", ENDPOINT];
    expect(() => listDeadLetters(b.engine, { endpoint: "filtre/in", limit: 1 })).toThrow(
      expect.objectContaining({ code: "SP_ENDPOINT_UNKNOWN", details: { endpoint: "filtre/in", known } }),
    );
    expect(findDeadLetter(b.engine, { endpoint: ENDPOINT, offset: 0 })).toMatchObject({ text: "no good" });
    for (const offset of [1, 99]) {
      const unknown = { code: "SP_DEAD_LETTER_UNKNOWN", details: { endpoint: ENDPOINT, offset } };
      expect(() => findDeadLetter(b.engine, { endpoint: ENDPOINT, offset })).toThrow(
        expect.objectContaining(unknown),
      );
      await expect(replayDeadLetters(b.engine, { endpoint: ENDPOINT, offset })).rejects.toMatchObject(
        unknown,
      );
      await expect(purgeDeadLetters(b.engine, { endpoint: ENDPOINT, offset })).rejects.toMatchObject(unknown);
    }
  });
});

describe("a replayed letter", () => {
  test("is the message that it was: uid, source, hops, properties, priority [J30]", async () => {
    await using b = await bench();
    await bury(b, ["x"], ENDPOINT, 3);
    const before = findDeadLetter(b.engine, { endpoint: ENDPOINT, offset: 0 });
    expect(before).toMatchObject({ priority: 3, attempt: 1, digest: "digest" });
    const answer = await replayDeadLetters(b.engine, { endpoint: ENDPOINT, offset: 0 });
    expect(answer).toEqual({ replayed: 1, refused: 0, refusals: {} });
    expect(letters(b)).toEqual([]);
    const lane = b.engine.endpoints.find(ENDPOINT)!.lanes.find(({ length }) => length > 0)!;
    expect(lane.priority).toBe(3);
    // Its way into a letter again shows all of it.
    const block = lane.makeResident(lane.cursor);
    b.engine.bury(ENDPOINT, null, block, lane.cursor.at + 32, { reason: "verdict" });
    b.engine.journal.step();
    await b.engine.journal.durable();
    const after = findDeadLetter(b.engine, { endpoint: ENDPOINT, offset: 1 });
    expect({ ...after.message, offset: 0 }).toEqual({ ...before.message, offset: 0 });
    expect(after.text).toBeNull();
  });

  test("goes through its module again, with all others in their order", async () => {
    await using b = await bench();
    await b.route(TO_FILTER.replace("/messages/*", "/messages/* WHERE NOT IS_DEFINED($connectionModuleId)"));
    const module = await b.module("filter");
    await bury(b, numbered(200));
    expect(await replayDeadLetters(b.engine, { endpoint: ENDPOINT })).toMatchObject({
      replayed: 200,
      refused: 0,
    });
    await until("consumed", () => module.seen.length === 200);
    expect(module.seen).toEqual(numbered(200));
    expect(letters(b)).toEqual([]);
  });

  test("stays where it is when no route leads back, or its queue is full, and says why [J6 J28]", async () => {
    await using b = await bench({ bounds: { ...UNBOUNDED, input: 1 * KB } });
    await bury(b, numbered(20));
    const some = await replayDeadLetters(b.engine, { endpoint: ENDPOINT });
    expect(some.replayed).toBeGreaterThan(0);
    expect(some.refusals).toEqual({ queue_full: some.refused });
    expect([...b.waiting(ENDPOINT), ...letters(b)]).toEqual(numbered(20));
    await b.route("FROM /messages/* INTO $upstream");
    const none = await replayDeadLetters(b.engine, { endpoint: ENDPOINT });
    expect(none).toEqual({ replayed: 0, refused: some.refused, refusals: { no_route: some.refused } });
    expect(letters(b)).toHaveLength(some.refused);
  });
});

describe("a crash in the middle of a replay", () => {
  test("leaves each letter in exactly one place, whichever group was the last [J2 J8 J9]", async () => {
    const { below } = seeded("replay and crash");
    for (let crashAfter = 0; crashAfter < 6; crashAfter++) {
      const store = new MemoryStore();
      const first = await bench({ store, graceMs: 2 });
      // What a module has in hand may be left to a later group, but not what was taken out of a log.
      (await first.module("filter")).isHolding = true;
      await bury(first, numbered(200));
      await purgeDeadLetters(first.engine, { endpoint: ENDPOINT, offset: 50 });
      const alive = letters(first);
      let groups = 0;
      store.beforeCommit = () => (groups++ < crashAfter ? Promise.resolve() : new Promise(() => undefined));
      void replayDeadLetters(first.engine, { endpoint: ENDPOINT, offset: 1 + below(40) });
      void replayDeadLetters(first.engine, { endpoint: ENDPOINT });
      await until("at the crash, or through", () => groups > crashAfter || letters(first).length === 0);
      for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));

      await using second = new EngineBench({ store });
      const found = [...second.waiting(ENDPOINT), ...letters(second)];
      expect(found.toSorted(), `after ${crashAfter} groups`).toEqual(alive.toSorted());
    }
  });
});

describe("letters taken out of the middle of a log", () => {
  test("are gone for reading, counting and trimming, over a restart, and leave no row behind [J6]", async () => {
    const { below } = seeded("letters taken out");
    const store = new MemoryStore();
    const bounds = { ...UNBOUNDED, deadLetters: 900 * KB };
    let b = await bench({ store, bounds });
    const model = new Map<number, string>();
    let next = 0;
    let dropped = 0;
    for (let round = 0; round < 40; round++) {
      const bodies = Array.from({ length: 25 }, () => `${next++}:`.padEnd(1 + below(4 * KB), "x"));
      await bury(b, bodies);
      bodies.forEach((body, i) => model.set(next - bodies.length + i, body));
      const { cursor } = b.engine.deadLetters.laneOf(ENDPOINT)!;
      for (const offset of model.keys()) if (offset < cursor.offset) model.delete(offset);
      for (let i = 0; i < 10; i++) {
        // The second before the first: the cursor has to pass over it.
        const place = i === 0 ? 1 : i === 1 ? 0 : below(model.size);
        const offset = [...model.keys()][place]!;
        model.delete(offset);
        await purgeDeadLetters(b.engine, { endpoint: ENDPOINT, offset });
      }
      if (round % 8 === 3) {
        dropped += b.engine.metrics.dropped_oldest;
        await b[Symbol.asyncDispose]();
        b = new EngineBench({ store, bounds });
      }
      const lane = b.engine.deadLetters.laneOf(ENDPOINT)!;
      expect(letters(b)).toEqual([...model.values()]);
      expect(b.engine.deadLetters.sizeOf(lane).length).toBe(model.size);
      expect(lane.cursor.offset, "the cursor stands at one that is there").toBe([...model.keys()][0]);
      expect(lane.bytes).toBeLessThanOrEqual(bounds.deadLetters + 600 * KB);
    }
    dropped += b.engine.metrics.dropped_oldest;
    expect(dropped, "some were trimmed").toBeGreaterThan(0);
    expect(next, "each is there, or taken out, or counted").toBe(model.size + 400 + dropped);
    expect(await purgeDeadLetters(b.engine, { endpoint: ENDPOINT })).toEqual({ purged: model.size });
    expect([...b.engine.journal.tables.entries(TABLE.REMOVED)]).toEqual([]);
    const lane = b.engine.deadLetters.laneOf(ENDPOINT)!;
    expect(b.engine.deadLetters.sizeOf(lane)).toEqual({ length: 0, bytes: 0 });
    await b[Symbol.asyncDispose]();
  });
});

test("a hub that is not running answers no operator", async () => {
  const hub = new LocalHub(() => undefined);
  await expect(hub.replayDeadLetters({ endpoint: ENDPOINT })).rejects.toMatchObject({
    code: "SP_HUB_STOPPED",
  });
});
