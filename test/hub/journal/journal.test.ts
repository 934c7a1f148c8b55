/** The journal's decisions one by one, on a store whose commits the test holds back or fails. */
import { describe, expect, test, vi } from "vitest";
import { Journal } from "../../../hub/journal/journal.ts";
import type { Lane } from "../../../hub/journal/lane.ts";
import { MemoryStore } from "../../../hub/journal/memory-store.ts";
import type { Group } from "../../../hub/journal/store.ts";
import { TABLE } from "../../../hub/journal/tables.ts";
import { bodiesOf, frameOf } from "../../support/frames.ts";

const INPUT = { queue: 1, priority: 10 };
const LOG = { queue: 2, priority: 0 };
const FIELDS = { port: 0, deadline: Infinity };

/** A journal, its store, and what it was seen to do. */
class Bench {
  readonly store: MemoryStore;
  readonly journal: Journal;
  readonly groups: Group[] = [];
  readonly failures: Error[] = [];
  durableCalls = 0;
  wall = 1_000_000;
  monotonic = 0;
  /** What the next commits do; then they succeed. */
  readonly outcomes: (() => Promise<void>)[] = [];

  constructor(store = new MemoryStore(), settings: { lingerMs?: number; graceMs?: number } = {}) {
    this.store = store;
    store.beforeCommit = (group) => {
      this.groups.push(group);
      return this.outcomes.shift()?.() ?? Promise.resolve();
    };
    this.journal = new Journal({
      store,
      clock: { wall: () => this.wall, monotonic: () => this.monotonic },
      lingerMs: settings.lingerMs ?? 0,
      graceMs: settings.graceMs ?? 0,
      onDurable: () => this.durableCalls++,
      onLingerEnding: () => undefined,
      onFailure: (error) => this.failures.push(error),
    });
  }

  append(lane: Lane, body: string): void {
    const { block, length } = frameOf(body);
    lane.appendFrame(block, 0, length, FIELDS);
    this.journal.touch(lane);
  }

  /** The end of a turn. */
  turn(): void {
    this.journal.stepped(this.monotonic);
    this.journal.kick();
  }

  /** The next commit hangs until the returned function is called. */
  hold(): (error?: Error) => void {
    let end!: (error?: Error) => void;
    const held = new Promise<void>((resolve, reject) => {
      end = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.outcomes.push(() => held);
    return end;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const appended = (group: Group | undefined): [number, number, number][] =>
  (group?.appends ?? []).map(({ queue, first, count }) => [queue, first, count]);

describe("groups", () => {
  test("one is in flight; what comes meanwhile gathers into the next [J5]", async () => {
    const bench = new Bench();
    const lane = bench.journal.lane(INPUT);
    const end = bench.hold();
    bench.append(lane, "a");
    bench.turn();
    for (const body of ["b", "c"]) {
      bench.append(lane, body);
      bench.turn();
    }
    await settled();
    expect(bench.groups.map(appended)).toEqual([[[1, 0, 1]]]);
    expect([lane.durable, bench.durableCalls]).toEqual([0, 0]);
    end();
    await settled();
    expect(bench.groups.map(appended)).toEqual([[[1, 0, 1]], [[1, 1, 2]]]);
    expect(lane.durable).toBe(3);
  });

  test("hold what was appended and settled meanwhile only as a cursor [J4]", async () => {
    const bench = new Bench();
    const lane = bench.journal.lane(INPUT);
    for (const body of ["a", "b", "c"]) bench.append(lane, body);
    lane.settleOne();
    lane.settleOne();
    bench.turn();
    await settled();
    expect(appended(bench.groups[0])).toEqual([[1, 2, 1]]);
    expect(bench.groups[0]!.cursors).toEqual([{ ...INPUT, offset: 2 }]);
    expect(bench.journal.counters.entriesElided).toBe(2);
    expect(bodiesOf(new Bench(bench.store).journal.lane(INPUT))).toEqual(["c"]);
  });

  test("are not made for what left nothing to write, which is released at once [J4]", async () => {
    const bench = new Bench();
    const lane = bench.journal.lane(INPUT);
    bench.append(lane, "a");
    lane.settleOne();
    bench.turn();
    await settled();
    expect([bench.groups.length, lane.durable, bench.durableCalls]).toEqual([0, 1, 1]);
  });

  test("hold a step over several lanes whole, even where one of them has grace [J4b J9]", async () => {
    const bench = new Bench(new MemoryStore(), { graceMs: 1_000 });
    const input = bench.journal.lane(INPUT);
    input.deferrable = true;
    bench.append(input, "alone");
    bench.turn();
    await settled();
    expect(bench.groups, "a lone entry may wait for the module").toHaveLength(0);
    bench.append(input, "both");
    bench.append(bench.journal.lane(LOG), "both");
    input.pin();
    bench.turn();
    await settled();
    expect(bench.groups.map(appended)).toEqual([
      [
        [1, 0, 2],
        [2, 0, 1],
      ],
    ]);
    await bench.journal.close();
  });

  test("hold an entry after its grace, whether the module has answered or not [J4b]", async () => {
    const bench = new Bench(new MemoryStore(), { graceMs: 5 });
    const lane = bench.journal.lane(INPUT);
    lane.deferrable = true;
    bench.append(lane, "a");
    bench.turn();
    bench.monotonic = 4;
    bench.turn();
    await settled();
    expect(bench.groups).toHaveLength(0);
    bench.monotonic = 5;
    await vi.waitUntil(() => bench.groups.length > 0); // by the journal's own timer
    expect(appended(bench.groups[0])).toEqual([[1, 0, 1]]);
  });

  test("hold no entry that a module settles as late as it usually does [J4 J4b]", async () => {
    const bench = new Bench(new MemoryStore(), { graceMs: 2 });
    const lane = bench.journal.lane(INPUT);
    lane.deferrable = true;
    const answeredAfter = async (ms: number): Promise<number> => {
      const written = bench.journal.counters.entriesWritten;
      bench.append(lane, "a");
      bench.turn();
      bench.monotonic += ms - 0.1;
      bench.turn();
      await settled();
      bench.monotonic += 0.1;
      lane.settleOne();
      bench.journal.touch(lane);
      bench.turn();
      await settled();
      return bench.journal.counters.entriesWritten - written;
    };
    expect([await answeredAfter(6), await answeredAfter(6), await answeredAfter(6)]).toEqual([1, 0, 0]);
    await bench.journal.close();
  });

  test("take changes of tables net, one write a row [J4]", async () => {
    const bench = new Bench();
    const { tables } = bench.journal;
    for (const value of ["1", "2", "3"]) tables.put(TABLE.KV, "counter", Buffer.from(value));
    tables.put(TABLE.KV, "gone", Buffer.from("x"));
    tables.delete(TABLE.KV, "gone");
    bench.journal.step();
    await bench.journal.durable();
    const rows = bench.groups[0]!.rows.map(({ key, value }) => [
      key.toString("latin1", 1),
      value?.toString() ?? null,
    ]);
    expect(rows).toEqual([
      ["counter", "3"],
      ["gone", null],
    ]);
  });
});

describe("durable()", () => {
  test("does not wait for the lazy write of a cursor", async () => {
    const bench = new Bench();
    const lane = bench.journal.lane(INPUT);
    bench.append(lane, "a");
    bench.turn();
    await settled();
    lane.settleOne();
    bench.journal.touch(lane);
    bench.journal.step();
    bench.turn();
    await settled();
    expect(bench.groups, "progress alone is not worth a flush").toHaveLength(1);
    const begun = performance.now();
    await bench.journal.durable();
    expect(performance.now() - begun).toBeLessThan(500);
    expect(bench.groups[1]!.cursors).toEqual([{ ...INPUT, offset: 1 }]);
  });

  test("resolves at the group that holds the step, not at one before it [J1]", async () => {
    const bench = new Bench();
    const [first, second] = [bench.hold(), bench.hold()];
    bench.append(bench.journal.lane(INPUT), "a");
    bench.turn();
    bench.journal.tables.put(TABLE.META, "x", Buffer.from("1"));
    bench.journal.step();
    let isDurable = false;
    void bench.journal.durable().then(() => (isDurable = true));
    first();
    await settled();
    expect(isDurable).toBe(false);
    second();
    await settled();
    expect(isDurable).toBe(true);
  });

  test("resolves for a lane that was touched for nothing", async () => {
    const bench = new Bench();
    bench.journal.touch(bench.journal.lane(INPUT));
    bench.journal.step();
    await bench.journal.durable();
    expect(bench.groups).toHaveLength(0);
  });
});

describe("a commit that fails", () => {
  test("for want of room is tried again, the very same group, and nothing is released before [J16]", async () => {
    const bench = new Bench();
    vi.spyOn(bench.store, "isFull").mockReturnValue(true);
    const free = vi.spyOn(bench.store, "freeReserve");
    bench.outcomes.push(() => Promise.reject(new Error("no room")));
    const lane = bench.journal.lane(INPUT);
    bench.append(lane, "a");
    bench.turn();
    await settled();
    expect([bench.journal.state, bench.journal.admits, bench.durableCalls, lane.durable]).toEqual([
      "full",
      false,
      0,
      0,
    ]);
    expect(free).toHaveBeenCalledOnce();
    bench.append(lane, "later");
    bench.turn();
    await vi.waitUntil(() => bench.journal.state === "ok");
    expect(bench.groups[1]).toBe(bench.groups[0]);
    expect(bodiesOf(new Bench(bench.store).journal.lane(INPUT))[0]).toBe("a");
    expect([lane.durable > 0, bench.journal.admits, bench.failures]).toEqual([true, true, []]);
  });

  test("for any other reason is the end: nothing more is committed, released or retried [J17]", async () => {
    const bench = new Bench();
    const end = bench.hold();
    const lane = bench.journal.lane(INPUT);
    bench.append(lane, "a");
    bench.turn();
    end(new Error("I/O error"));
    await settled();
    expect(bench.failures.map(({ message }) => message)).toEqual(["I/O error"]);
    bench.append(lane, "b");
    bench.turn();
    void bench.journal.durable();
    await new Promise((resolve) => setTimeout(resolve, 150)); // longer than a retry would take
    expect([bench.groups.length, bench.durableCalls, lane.durable]).toEqual([1, 0, 0]);
    expect([bench.journal.state, bench.journal.isCongested]).toEqual(["failed", true]);
    expect(bench.failures).toHaveLength(1);
  });
});

describe("a deleted lane", () => {
  test("is gone with the group of its deletion, and whoever waits for it is let go [J28]", async () => {
    const bench = new Bench();
    const lane = bench.journal.lane(INPUT);
    bench.append(lane, "a");
    bench.turn();
    await settled();
    bench.append(lane, "b");
    bench.journal.deleteLane(lane);
    expect(lane.durable).toBe(Number.MAX_SAFE_INTEGER);
    await bench.journal.durable();
    expect(bench.groups[1]).toMatchObject({ appends: [], deletedLanes: [INPUT] });
    expect(bench.store.load().lanes).toEqual([]);
  });

  test("is gone too when its last entries were in flight", async () => {
    const bench = new Bench();
    const lane = bench.journal.lane(INPUT);
    const end = bench.hold();
    bench.append(lane, "a");
    bench.turn();
    bench.journal.deleteLane(lane);
    end();
    await bench.journal.durable();
    expect(bench.store.load().lanes).toEqual([]);
  });
});

test("powered time goes on where the last group left it, whatever the wall clock says [J31]", async () => {
  const bench = new Bench();
  bench.monotonic = 60_000;
  bench.wall = 0; // 1970
  bench.journal.tables.put(TABLE.META, "x", Buffer.from("1"));
  bench.journal.step();
  await bench.journal.durable();
  const again = new Bench(bench.store);
  expect(again.journal.powered.now()).toBe(60_000);
  again.monotonic = 500;
  again.wall += 3 * 24 * 3_600_000;
  expect(again.journal.powered.now()).toBe(60_500);
});

test("closing commits what has grace and what is lazy [J8]", async () => {
  const bench = new Bench(new MemoryStore(), { lingerMs: 1_000, graceMs: 1_000 });
  const lane = bench.journal.lane(INPUT);
  lane.deferrable = true;
  for (const body of ["a", "b", "c"]) bench.append(lane, body);
  bench.turn();
  lane.settleOne();
  bench.journal.touch(lane);
  await bench.journal.close();
  const again = new Bench(bench.store).journal.lane(INPUT);
  expect([again.cursor.offset, ...bodiesOf(again)]).toEqual([1, "b", "c"]);
});
