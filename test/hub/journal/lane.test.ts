/** A lane: entries in order over slabs, in memory, on disk, and back. */
import { describe, expect, test } from "vitest";
import {
  Block,
  entryOffset,
  entryPriority,
  entryTotal,
  ENTRY,
  frameHops,
  frameTotal,
} from "../../../abi/index.ts";
import { Journal } from "../../../hub/journal/journal.ts";
import { Lane } from "../../../hub/journal/lane.ts";
import { MemoryStore } from "../../../hub/journal/memory-store.ts";
import { SLAB_BYTES } from "../../../hub/journal/slab.ts";
import { bodiesOf, bodyAt, frameOf } from "../../support/frames.ts";
import { seeded } from "../../support/seed.ts";

const KEY = { queue: 7, priority: 3 };
const FIELDS = { port: 0, deadline: Infinity };
const KB = 1024;

const unloadable = (): never => {
  throw new Error("nothing is on disk");
};

function append(lane: Lane, body: string | Uint8Array): number {
  const { block, length } = frameOf(body);
  lane.appendFrame(block, 0, length, FIELDS);
  return ENTRY.SIZE + length;
}

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
  return { journal, lane: journal.lane(KEY) };
}

async function commit(journal: Journal, lane: Lane): Promise<void> {
  journal.touch(lane);
  journal.step();
  await journal.durable();
}

/** Reads on by one entry, as a consumer does. */
function read(lane: Lane): string {
  const block = lane.makeResident(lane.reader);
  const body = bodyAt(block, lane.reader.at);
  lane.reader.step();
  return body;
}

function residentBytes(lane: Lane): number {
  let bytes = 0;
  for (let slab: Lane["head"] | null = lane.head; slab !== null; slab = slab.next)
    bytes += slab.block?.u8.length ?? 0;
  return bytes;
}

/** Another lane takes blocks from the pool and gives them back: whoever still reads one would see its bytes. */
function churn(journal: Journal, count: number): void {
  const other = journal.lane({ queue: 99, priority: 0 });
  for (let i = 0; i < count; i++) append(other, "!".repeat(100 * KB));
  while (other.length > count / 2) other.settleOne();
  journal.touch(other);
}

describe("an empty lane", () => {
  test("holds no memory, no bytes, and nothing to write", () => {
    const lane = new Lane(KEY, 5, unloadable);
    expect([lane.length, lane.bytes, lane.tail, residentBytes(lane)]).toEqual([0, 0, 5, 0]);
    expect(lane.slices(lane.persisted, lane.tailPosition())).toEqual([]);
    expect(lane.unwrittenBytes).toBe(0);
  });

  test("gives its memory back when it has drained, and goes on at its offset [J4]", async () => {
    const { journal, lane } = open(new MemoryStore());
    append(lane, "a");
    append(lane, "b");
    await commit(journal, lane);
    expect(residentBytes(lane)).toBe(SLAB_BYTES);
    lane.settleOne();
    lane.settleOne();
    await commit(journal, lane);
    append(lane, "c");
    await commit(journal, lane);
    expect(bodiesOf(lane)).toEqual(["c"]);
    expect(entryOffset(lane.makeResident(lane.cursor), lane.cursor.at)).toBe(2);
    lane.settleOne();
    journal.touch(lane);
    await journal.close();
    expect([lane.bytes, residentBytes(lane)]).toEqual([0, 0]);
  });
});

describe("entries", () => {
  test("carry their own offset and priority, and lie end to end", () => {
    const lane = new Lane(KEY, 2 ** 40, unloadable);
    const sizes = ["", "x", "four", "x".repeat(1001)].map((body) => append(lane, body));
    const block = lane.makeResident(lane.cursor);
    let at = lane.cursor.at;
    for (const [i, size] of sizes.entries()) {
      expect([entryOffset(block, at), entryPriority(block, at), entryTotal(block, at)]).toEqual([
        2 ** 40 + i,
        3,
        size,
      ]);
      at += size;
    }
    expect(lane.bytes).toBe(sizes.reduce((a, b) => a + b));
  });

  test("larger than a slab get one of their own, and the next ones go on behind it", () => {
    const lane = new Lane(KEY, 0, unloadable);
    const huge = "h".repeat(SLAB_BYTES + 10);
    for (const body of ["before", huge, "after"]) append(lane, body);
    expect(bodiesOf(lane)).toEqual(["before", huge, "after"]);
    const slices = lane.slices(lane.persisted, lane.tailPosition());
    expect(slices.map(({ first, count }) => [first, count])).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
    expect(slices.every(({ bytes, data }) => bytes === data.length)).toBe(true);
  });

  test("passed on as a run get new offsets, the new source and one more hop each", () => {
    const from = new Lane(KEY, 0, unloadable);
    const bodies = Array.from({ length: 40 }, (_, i) => `${i}:${"x".repeat(4 * KB)}`);
    for (const body of bodies) append(from, body);
    const to = new Lane({ queue: 8, priority: 9 }, 100, unloadable);
    // More than one batch may carry: it is split, whatever the slabs are like.
    const run = { block: from.last.resident, from: 0, to: from.last.end, count: from.last.count };
    to.appendRun(run, { port: 0, deadline: 42 }, 77);
    expect(bodiesOf(to)).toEqual(bodies);
    const block = to.makeResident(to.cursor);
    const frame = to.cursor.at + ENTRY.SIZE;
    expect([entryOffset(block, 0), entryPriority(block, 0), frameHops(block, frame)]).toEqual([100, 9, 1]);
    expect(to.bytes).toBe(from.bytes);
    expect(frameHops(from.last.resident, ENTRY.SIZE), "the original is not touched").toBe(0);
  });
});

describe("slices", () => {
  test("start and end between any two entries, one per slab [J4]", () => {
    const lane = new Lane(KEY, 0, unloadable);
    for (let i = 0; i < 10; i++) append(lane, `${i}${"x".repeat(100 * KB)}`); // two to a slab
    const places = [lane.cursor.copy()];
    for (let i = 0; i < 10; i++) {
      lane.reader.step();
      places.push(lane.reader.copy());
    }
    for (const from of places) {
      for (const to of places) {
        const slices = lane.slices(from, to);
        const counted = slices.reduce((sum, { count }) => sum + count, 0);
        expect(counted, `${from.offset} to ${to.offset}`).toBe(Math.max(0, to.offset - from.offset));
        let next = from.offset;
        for (const { first, count, data } of slices) {
          expect(first).toBe(next);
          const block = new Block(new Uint8Array(data).buffer);
          expect([entryOffset(block, 0), frameTotal(block, ENTRY.SIZE) > 0]).toEqual([first, true]);
          next += count;
        }
      }
    }
  });
});

describe("recovery", () => {
  test("starts inside a record when its first entries are settled [J8]", async () => {
    const store = new MemoryStore();
    const { journal, lane } = open(store);
    const sizes = ["a", "bb", "ccc", "dddd"].map((body) => append(lane, body));
    await commit(journal, lane);
    lane.settleOne();
    lane.settleOne();
    append(lane, "e");
    await commit(journal, lane);
    const { lane: again } = open(store);
    expect(bodiesOf(again)).toEqual(["ccc", "dddd", "e"]);
    expect([again.cursor.offset, again.reader.offset, again.durable, again.durableCursor]).toEqual([
      2, 2, 5, 2,
    ]);
    expect(again.bytes).toBe(sizes[2]! + sizes[3]! + sizes[0]!);
  });

  test("of a drained lane goes on at its offset with nothing in memory [J28]", async () => {
    const store = new MemoryStore();
    const { journal, lane } = open(store);
    for (let i = 0; i < 3; i++) append(lane, "x");
    await commit(journal, lane);
    for (let i = 0; i < 3; i++) lane.settleOne();
    journal.touch(lane);
    await journal.close();
    const { lane: again } = open(store);
    expect([again.tail, again.length, again.durable, residentBytes(again)]).toEqual([3, 0, 3, 0]);
  });

  test("leaves a backlog on disk until somebody reads it", async () => {
    const store = new MemoryStore();
    const { journal, lane } = open(store);
    for (let i = 0; i < 100; i++) append(lane, `${i}:${"x".repeat(10 * KB)}`);
    await commit(journal, lane);
    const { lane: again } = open(store);
    expect(residentBytes(again)).toBe(0);
    expect(again.length).toBe(100);
    expect(read(again)).toMatch(/^0:/);
    expect(residentBytes(again)).toBe(SLAB_BYTES);
  });
});

test("peeking at what is on disk keeps nothing in memory", async () => {
  const store = new MemoryStore();
  const { journal, lane } = open(store);
  for (let i = 0; i < 100; i++) append(lane, `${i}:${"x".repeat(10 * KB)}`);
  await commit(journal, lane);
  const { lane: again } = open(store);
  const bodies: string[] = [];
  for (let slab: Lane["head"] | null = again.head; slab !== null; slab = slab.next) {
    const block = again.peek(slab);
    for (let at = 0; at < slab.end; at += entryTotal(block, at))
      bodies.push(bodyAt(block, at).split(":")[0]!);
  }
  expect(bodies.map(Number)).toEqual([...Array(100).keys()]);
  expect(residentBytes(again)).toBe(0);
});

test("whatever is appended, read, settled, rewound, evicted and recovered: the same entries in the same order [J3 J4 J6]", async () => {
  const { below, random } = seeded("lane model");
  let mostlyOnDisk = 0;
  for (let round = 0; round < 12; round++) {
    const store = new MemoryStore();
    let { journal, lane } = open(store);
    const model: { readonly body: string; readonly bytes: number }[] = [];
    let next = 0;
    let inFlight = 0;
    for (let turn = 0; turn < 120; turn++) {
      const isGrowing = turn % 60 < 35;
      for (let i = below(isGrowing ? 20 : 4); i > 0; i--) {
        const size = random() < 0.03 ? SLAB_BYTES + below(20 * KB) : below(random() < 0.5 ? 200 : 50 * KB);
        const body = `${next++}:${"x".repeat(size)}`;
        model.push({ body, bytes: append(lane, body) });
      }
      journal.touch(lane);
      for (let i = below(isGrowing ? 4 : 25); i > 0 && inFlight < model.length; i--) {
        expect(read(lane)).toBe(model[inFlight++]!.body);
      }
      for (let i = below(isGrowing ? 4 : 25); i > 0 && inFlight > 0; i--, inFlight--) {
        lane.settleOne();
        journal.touch(lane);
        model.shift();
      }
      churn(journal, below(8));
      if (random() < 0.05) {
        lane.rewind();
        inFlight = 0;
      }
      if (random() < 0.6) await commit(journal, lane);
      const bytes = model.reduce((sum, entry) => sum + entry.bytes, 0);
      if (residentBytes(lane) < bytes / 2) mostlyOnDisk++;
      expect([lane.length, lane.bytes, lane.reader.offset - lane.cursor.offset]).toEqual([
        model.length,
        bytes,
        inFlight,
      ]);
      expect(lane.unwrittenBytes).toBe(
        lane
          .slices(
            lane.cursor.offset > lane.persisted.offset ? lane.cursor : lane.persisted,
            lane.tailPosition(),
          )
          .reduce((sum, slice) => sum + slice.bytes, 0),
      );
      if (random() < 0.03) {
        await journal.close();
        ({ journal, lane } = open(store));
        inFlight = 0;
      }
    }
    expect(bodiesOf(lane).map((body) => body.split(":")[0])).toEqual(
      model.map(({ body }) => body.split(":")[0]),
    );
  }
  expect(mostlyOnDisk, "some backlogs were left to the disk").toBeGreaterThan(50);
});
