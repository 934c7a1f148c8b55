/** A log over a lane: paged by offset, in memory or not, and trimmed from the front. */
import { describe, expect, test } from "vitest";
import { readLog, trim } from "../../../hub/endpoints/event-log.ts";
import { Journal } from "../../../hub/journal/journal.ts";
import type { Lane } from "../../../hub/journal/lane.ts";
import { MemoryStore } from "../../../hub/journal/memory-store.ts";
import { SLAB_BYTES } from "../../../hub/journal/slab.ts";
import { bodyAt, frameOf } from "../../support/frames.ts";

const LOG = { queue: 1, priority: 0 };
const KB = 1024;

function open(store: MemoryStore): { journal: Journal; lane: Lane } {
  const journal = new Journal({
    store,
    clock: { wall: () => 0, monotonic: () => performance.now() },
    lingerMs: 0,
    graceMs: 0,
    onDurable: () => undefined,
    onLingerEnding: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  return { journal, lane: journal.lane(LOG) };
}

async function appendAll(
  journal: Journal,
  lane: Lane,
  from: number,
  to: number,
  bodyBytes: number,
): Promise<void> {
  for (let i = from; i < to; i++) {
    const { block, length } = frameOf(`${i}:`.padEnd(bodyBytes, "x"));
    lane.appendFrame(block, 0, length, { port: 0, deadline: Infinity });
  }
  journal.touch(lane);
  journal.step();
  await journal.durable();
}

interface Page {
  readonly numbers: number[];
  readonly next: number;
  readonly oldest: number;
}

function page(lane: Lane, from: number, limit: number): Page {
  const { entries, next, oldest } = readLog(
    lane,
    from,
    limit,
    (block, at) => bodyAt(block, at).split(":")[0],
  );
  return { numbers: entries.map(Number), next, oldest };
}

/** Every page from `from` on. */
function pages(lane: Lane, from: number, limit: number): number[] {
  const all: number[] = [];
  for (let next = from; ;) {
    const found = page(lane, next, limit);
    if (found.numbers.length === 0) return all;
    all.push(...found.numbers);
    next = found.next;
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe("reading", () => {
  test.for([1, 7, 64, 10_000])(
    "in pages of %i finds everything once, in order, over slabs that are on disk [J3 J6]",
    async (limit) => {
      const { journal, lane } = open(new MemoryStore());
      for (let from = 0; from < 1_500; from += 100) await appendAll(journal, lane, from, from + 100, 5 * KB);
      let evicted = 0;
      for (let slab: Lane["head"] | null = lane.head; slab !== null; slab = slab.next)
        if (slab.block === null) evicted++;
      expect(evicted, "most of it was left to the disk").toBeGreaterThan(5);
      expect(pages(lane, 0, limit)).toEqual(range(0, 1_500));
      expect(pages(lane, 777, limit)).toEqual(range(777, 1_500));
    },
  );

  test("goes on after a restart where it stopped", async () => {
    const store = new MemoryStore();
    const { journal, lane } = open(store);
    await appendAll(journal, lane, 0, 200, 5 * KB);
    const { next } = page(lane, 0, 50);
    const again = open(store);
    await appendAll(again.journal, again.lane, 200, 220, 5 * KB);
    expect(pages(again.lane, next, 33)).toEqual(range(50, 220));
  });

  test("shows nothing that is not durable [J1]", async () => {
    const store = new MemoryStore();
    const { journal, lane } = open(store);
    await appendAll(journal, lane, 0, 3, 10);
    store.beforeCommit = () => new Promise(() => undefined);
    void appendAll(journal, lane, 3, 5, 10);
    expect(page(lane, 0, 100)).toEqual({ numbers: [0, 1, 2], next: 3, oldest: 0 });
    expect(page(lane, 3, 100)).toEqual({ numbers: [], next: 3, oldest: 0 });
  });

  test("a page holds what its limit in entries says, or some megabytes", async () => {
    const { journal, lane } = open(new MemoryStore());
    await appendAll(journal, lane, 0, 40, 200 * KB);
    expect(page(lane, 0, 1_000).numbers.length).toBeLessThan(25);
    expect(pages(lane, 0, 1_000)).toEqual(range(0, 40));
  });

  test("from beyond the end waits there, and an empty log is empty", () => {
    const { lane } = open(new MemoryStore());
    expect(page(lane, 0, 10)).toEqual({ numbers: [], next: 0, oldest: 0 });
    expect(page(lane, 99, 10)).toEqual({ numbers: [], next: 99, oldest: 0 });
  });
});

describe("trimming", () => {
  test("drops whole slabs from the front, until it fits, and says how many entries went [J6]", async () => {
    const { journal, lane } = open(new MemoryStore());
    await appendAll(journal, lane, 0, 500, 5 * KB);
    const before = lane.bytes;
    const dropped = trim(lane, 3 * SLAB_BYTES);
    expect(lane.bytes).toBeLessThanOrEqual(3 * SLAB_BYTES);
    expect(lane.bytes).toBeGreaterThan(SLAB_BYTES);
    expect(lane.length).toBe(500 - dropped);
    expect(before - lane.bytes).toBeGreaterThan(0);
    expect(page(lane, 0, 1)).toEqual({ numbers: [dropped], next: dropped + 1, oldest: dropped });
    expect(pages(lane, 0, 100)).toEqual(range(dropped, 500));
  });

  test("survives a restart: what was dropped stays dropped, and bytes are counted right", async () => {
    const store = new MemoryStore();
    const { journal, lane } = open(store);
    await appendAll(journal, lane, 0, 500, 5 * KB);
    const dropped = trim(lane, 3 * SLAB_BYTES);
    journal.touch(lane);
    await journal.close();
    const again = open(store);
    expect([again.lane.bytes, again.lane.cursor.offset]).toEqual([lane.bytes, dropped]);
    expect(pages(again.lane, 0, 100)).toEqual(range(dropped, 500));
    expect(trim(again.lane, SLAB_BYTES)).toBeGreaterThan(0);
    expect(again.lane.bytes).toBeLessThanOrEqual(SLAB_BYTES);
  });

  test("never drops what is not durable, nor the last slab", async () => {
    const store = new MemoryStore();
    const { journal, lane } = open(store);
    store.beforeCommit = () => new Promise(() => undefined);
    void appendAll(journal, lane, 0, 300, 5 * KB);
    expect(trim(lane, 0)).toBe(0);
    const full = open(new MemoryStore());
    await appendAll(full.journal, full.lane, 0, 10, 5 * KB);
    expect(trim(full.lane, 0)).toBe(0);
  });
});
