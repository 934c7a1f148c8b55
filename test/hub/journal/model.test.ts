/**
 * The journal against its rules: random steps over two lanes and a table, a consumer that reads ahead of the
 * disk, crashes at random group boundaries. Runs on the memory back end and on LMDB alike.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Journal } from "../../../hub/journal/journal.ts";
import type { Lane } from "../../../hub/journal/lane.ts";
import { LmdbStore } from "../../../hub/journal/lmdb-store.ts";
import { MemoryStore } from "../../../hub/journal/memory-store.ts";
import type { Group, Store } from "../../../hub/journal/store.ts";
import { TABLE } from "../../../hub/journal/tables.ts";
import { bodiesOf, bodyAt, frameOf } from "../../support/frames.ts";
import { seeded } from "../../support/seed.ts";

const INPUT = { queue: 1, priority: 10 };
const LOG = { queue: 2, priority: 0 };
const NO_DEADLINE = { port: 0, deadline: Infinity };

/** One life of the hub: a journal over a store whose commits the test releases one by one. */
class Life {
  readonly journal: Journal;
  readonly input: Lane;
  readonly log: Lane;
  readonly acked = new Set<number>();
  #waiting: { readonly id: number; readonly lane: Lane; readonly offset: number }[] = [];
  failure: Error | null = null;

  constructor(store: Store, settings: { lingerMs: number; graceMs: number }) {
    this.journal = new Journal({
      store,
      clock: { wall: () => Date.now(), monotonic: () => performance.now() },
      ...settings,
      onDurable: () => this.#release(),
      onLingerEnding: () => undefined,
      onFailure: (error) => (this.failure = error),
    });
    this.input = this.journal.lane(INPUT);
    this.log = this.journal.lane(LOG);
    this.input.deferrable = true;
    this.input.rewind();
  }

  #release(): void {
    this.#waiting = this.#waiting.filter(({ id, lane, offset }) => {
      if (lane.durable <= offset) return true;
      this.acked.add(id);
      return false;
    });
  }

  /** A publish: to the module's lane, or to it and to the log in one step (J9). */
  publish(id: number, both: boolean): void {
    const { block, length } = frameOf(`m${id}`);
    this.#waiting.push({ id, lane: this.input, offset: this.input.tail });
    this.input.appendFrame(block, 0, length, NO_DEADLINE);
    this.journal.touch(this.input);
    if (both) {
      const copy = frameOf(`d${id}`);
      this.log.appendFrame(copy.block, 0, copy.length, NO_DEADLINE);
      this.journal.touch(this.log);
      this.input.pin();
    }
  }

  /** The module's result over `count` entries: outputs, a counter and the cursor in one step (J2). */
  consume(count: number, drop: boolean): void {
    for (let i = 0; i < count && this.input.cursor.offset < this.input.tail; i++) {
      const block = this.input.makeResident(this.input.cursor);
      const id = bodyAt(block, this.input.cursor.at).slice(1);
      if (!drop) {
        const out = frameOf(`o${id}`);
        this.log.appendFrame(out.block, 0, out.length, NO_DEADLINE);
        this.journal.touch(this.log);
        this.journal.tables.put(TABLE.KV, "count", Buffer.from(String(this.count() + 1)));
      } else {
        this.journal.tables.put(TABLE.KV, `dropped${id}`, Buffer.from("1"));
      }
      this.input.settleOne();
    }
    this.journal.touch(this.input);
    this.journal.step();
  }

  count(): number {
    return Number(this.journal.tables.get(TABLE.KV, "count")?.toString() ?? "0");
  }
}

interface Backend {
  readonly name: string;
  open(): {
    store: Store;
    hold: (gate: (group: Group) => Promise<void>) => void;
    reopen: () => Promise<Store>;
  };
  readonly rounds: number;
}

/** Wraps a store so that each commit waits for the gate; a crash is a commit that never gets through. */
function gated(store: Store): { store: Store; hold: (gate: (group: Group) => Promise<void>) => void } {
  let gate: (group: Group) => Promise<void> = () => Promise.resolve();
  const wrapped: Store = {
    load: () => store.load(),
    commit: async (group) => {
      await gate(group);
      await store.commit(group);
    },
    isFull: (error) => store.isFull(error),
    freeReserve: () => store.freeReserve(),
    restoreReserve: () => store.restoreReserve(),
    get liveBytes() {
      return store.liveBytes;
    },
    read: (lane, record) => store.read(lane, record),
    records: (lane, from, to) => store.records(lane, from, to),
    compact: () => store.compact(),
    close: () => Promise.resolve(),
  };
  return { store: wrapped, hold: (next) => (gate = next) };
}

const folders: string[] = [];
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

const memory: Backend = {
  name: "memory",
  rounds: 40,
  open() {
    const real = new MemoryStore();
    return { ...gated(real), reopen: () => Promise.resolve(gated(real).store) };
  },
};

const lmdb: Backend = {
  name: "lmdb",
  rounds: 15,
  open() {
    const dir = mkdtempSync(join(tmpdir(), "sandpiper-journal-"));
    folders.push(dir);
    let real = new LmdbStore(dir);
    return {
      ...gated(real),
      reopen: async () => {
        await real.close();
        real = new LmdbStore(dir);
        return gated(real).store;
      },
    };
  },
};

describe.for([memory, lmdb])("journal on $name", (backend) => {
  beforeEach(() => void vi.useRealTimers());

  test("whatever crash, no acknowledged message is lost, none is consumed twice, order holds [J1 J2 J3 J4 J8 J9]", async () => {
    const { below, random } = seeded(`journal model on ${backend.name}`);
    for (let round = 0; round < backend.rounds; round++) {
      const settings = { lingerMs: below(2) * 3, graceMs: below(2) * 2 };
      const opened = backend.open();
      let store = opened.store;
      let hold = opened.hold;
      let next = 1;
      const acked = new Set<number>();
      for (let life = 0; life < 3; life++) {
        const run = new Life(store, settings);
        const crashAt = 1 + below(6);
        let commits = 0;
        let crashed!: () => void;
        const dead = new Promise<void>((resolve) => (crashed = resolve));
        hold(() => {
          if (++commits < crashAt) return Promise.resolve();
          crashed();
          return new Promise(() => undefined); // power is gone before this group was written
        });
        for (let turn = 0; turn < 40; turn++) {
          for (let i = below(4); i > 0; i--) run.publish(next++, random() < 0.2);
          if (random() < 0.7) run.consume(below(5), random() < 0.2);
          run.journal.stepped(performance.now());
          run.journal.kick();
          if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
          if (random() < 0.05) await new Promise((resolve) => setTimeout(resolve, 3));
        }
        await Promise.race([dead, run.journal.durable()]);
        for (const id of run.acked) acked.add(id);
        run.journal.state = "failed"; // a dead hub seals nothing more
        store = await opened.reopen();
        ({ store, hold } = gated(store));
        check(new Life(store, settings), acked);
      }
    }
  });

  test("a recovered lane continues at its cursor, and never reuses an offset that was written [J4 J28]", async () => {
    const { store, reopen } = backend.open();
    const first = new Life(store, { lingerMs: 0, graceMs: 0 });
    for (let id = 1; id <= 10; id++) first.publish(id, false);
    first.journal.step();
    await first.journal.durable();
    first.consume(4, false);
    await first.journal.durable();
    const second = new Life(await reopen(), { lingerMs: 0, graceMs: 0 });
    expect(bodiesOf(second.input)).toEqual(["m5", "m6", "m7", "m8", "m9", "m10"]);
    expect(second.input.cursor.offset).toBe(4);
    expect(second.input.tail).toBe(10);
  });

  test("a backlog beyond memory is left to the disk and comes back in order [J6]", async () => {
    const { store } = backend.open();
    const run = new Life(store, { lingerMs: 0, graceMs: 0 });
    const body = "x".repeat(4000);
    let id = 0;
    for (let batch = 0; batch < 60; batch++) {
      for (let i = 0; i < 50; i++) {
        const { block, length } = frameOf(`${id++}:${body}`);
        run.input.appendFrame(block, 0, length, NO_DEADLINE);
      }
      run.journal.touch(run.input);
      run.journal.step();
      await run.journal.durable();
    }
    expect(residentBytes(run.input)).toBeLessThan(6 * 1024 * 1024);
    const seen = bodiesOf(run.input).map((text) => Number(text.split(":")[0]));
    expect(seen).toEqual([...Array(3000).keys()]);
  });
});

function residentBytes(lane: Lane): number {
  let bytes = 0;
  for (let slab: Lane["head"] | null = lane.head; slab !== null; slab = slab.next)
    bytes += slab.block?.u8.length ?? 0;
  return bytes;
}

function check(life: Life, acked: ReadonlySet<number>): void {
  const waiting = bodiesOf(life.input).map((body) => Number(body.slice(1)));
  const log = bodiesOf(life.log);
  const outputs = log.filter((body) => body.startsWith("o")).map((body) => Number(body.slice(1)));
  const direct = log.filter((body) => body.startsWith("d")).map((body) => Number(body.slice(1)));
  const dropped = [...life.journal.tables.entries(TABLE.KV, "dropped")].map(([key]) => Number(key.slice(7)));
  const consumed = new Set([...outputs, ...dropped]);

  expect(new Set(outputs).size, "an output was made twice").toBe(outputs.length);
  expect(life.count(), "outputs and counter are one step").toBe(outputs.length);
  expect(outputs, "order of first deliveries").toEqual([...outputs].sort((a, b) => a - b));
  expect(
    waiting.filter((id) => consumed.has(id)),
    "consumed and still waiting",
  ).toEqual([]);
  for (const id of acked)
    expect(consumed.has(id) || waiting.includes(id), `acknowledged m${id} is lost`).toBe(true);
  const known = new Set([...consumed, ...waiting]);
  for (const id of direct) expect(known.has(id), `half of the step of m${id}`).toBe(true);
}
