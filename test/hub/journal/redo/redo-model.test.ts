/**
 * The redo store against a store in memory: random groups to both, and now and then the power goes. What a disk
 * holds at that instant, in the middle of a checkpoint or a record, must be what memory holds, to a group.
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { MemoryStore } from "../../../../hub/journal/memory-store.ts";
import { openRedo } from "../../../../hub/journal/redo/open-redo.ts";
import type { RedoStore } from "../../../../hub/journal/redo/redo-store.ts";
import type {
  Append,
  CursorMove,
  Group,
  LaneKey,
  RecordRange,
  Store,
} from "../../../../hub/journal/store.ts";
import { seeded } from "../../../support/seed.ts";

/** Round and round within a few groups, with a checkpoint under way at most instants. */
const TINY_LOG = { logBytes: 256 * 1024, checkpointBytes: 32 * 1024, checkpointMs: 5 };
const LANES = 4;
const ROUNDS = 4;
const STEPS = 80;

const folders: string[] = [];
const open: Store[] = [];
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function newFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "sandpiper-redo-"));
  folders.push(dir);
  return dir;
}

async function opened(dir: string, config = TINY_LOG): Promise<RedoStore> {
  const store = (await openRedo(dir, config)) as RedoStore;
  open.push(store);
  return store;
}

/** What a disk holds at this instant. */
function imageOf(dir: string): string {
  const image = newFolder();
  cpSync(dir, image, { recursive: true });
  return image;
}

const observer = { onRoomChanged: () => undefined, onFailure: (error: Error) => void failures.push(error) };
const failures: Error[] = [];

/** What a store holds, the same whichever way its records are cut. */
function contents(store: Store): unknown {
  const { lanes, rows, poweredMs, wallMs } = store.load();
  return {
    lanes: lanes
      .map((lane) => ({
        ...laneOf(lane),
        cursor: lane.cursor,
        entries: entriesOf(store, lane, lane.cursor, lane.records),
      }))
      .filter(({ cursor, entries }) => cursor > 0 || entries.length > 0) // a lane that was only asked about is none
      .sort((a, b) => a.queue - b.queue || a.priority - b.priority),
    rows: [...rows].map(({ key, value }) => `${key.toString("latin1")}=${String(value)}`).sort(),
    poweredMs,
    wallMs,
  };
}

const laneOf = ({ queue, priority }: LaneKey): LaneKey => ({ queue, priority });

/** Offset and bytes of each run without a hole. One byte is one entry here. */
function entriesOf(store: Store, lane: LaneKey, cursor: number, records: readonly RecordRange[]): string[] {
  const runs: string[] = [];
  let next = -1;
  for (const record of records) {
    const settled = Math.max(0, cursor - record.first);
    if (settled >= record.count) continue;
    const text = Buffer.from(store.read(lane, record)).toString("latin1", settled);
    if (record.first + settled === next) runs.push(runs.pop()! + text);
    else runs.push(`${record.first + settled}:${text}`);
    next = record.first + record.count;
  }
  return runs;
}

interface MadeLane extends LaneKey {
  tail: number;
  cursor: number;
  slab: Buffer;
  at: number;
}

/** Makes groups as a journal does: offsets go on, cursors never go back, holes lie below them. */
class GroupMaker {
  readonly #below: (n: number) => number;
  readonly #appendBytesMax: number;
  #lanes: MadeLane[] = [];
  #nextQueue = 1;
  #poweredMs = 0;

  constructor(below: (n: number) => number, appendBytesMax: number) {
    this.#below = below;
    this.#appendBytesMax = appendBytesMax;
  }

  get lanes(): readonly MadeLane[] {
    return this.#lanes;
  }

  next(): Group {
    const below = this.#below;
    const appends: Append[] = [];
    const cursors: CursorMove[] = [];
    const deletedLanes: LaneKey[] = [];
    while (this.#lanes.length < LANES) {
      const slab = Buffer.alloc(0);
      this.#lanes.push({ queue: this.#nextQueue++, priority: below(256), tail: 0, cursor: 0, slab, at: 0 });
    }
    if (below(30) === 0) deletedLanes.push(laneOf(this.#lanes.splice(below(LANES), 1)[0]!));
    for (const lane of this.#lanes) {
      if (below(3) === 0) cursors.push(this.#settle(lane));
      if (below(3) > 0) appends.push(this.#append(lane));
    }
    const rows = Array.from({ length: below(4) }, () => ({
      key: Buffer.from(`\x07k\xff${below(8)}`, "latin1"),
      value: below(4) === 0 ? null : Buffer.from(`v${below(1000)}`),
    }));
    this.#poweredMs += below(100);
    return { appends, cursors, rows, deletedLanes, poweredMs: this.#poweredMs, wallMs: 2 * this.#poweredMs };
  }

  #settle(lane: MadeLane): CursorMove {
    lane.cursor += this.#below(lane.tail - lane.cursor + 1);
    if (this.#below(4) === 0) {
      lane.cursor = lane.tail += this.#below(20); // appended and settled within the group
      lane.at = lane.slab.length;
    }
    return { ...laneOf(lane), offset: lane.cursor };
  }

  #append(lane: MadeLane): Append {
    const bytes = 1 + this.#below(this.#below(5) === 0 ? this.#appendBytesMax : 300);
    if (lane.at + bytes > lane.slab.length) {
      lane.slab = Buffer.from(new ArrayBuffer(Math.max(bytes, 64 * 1024)));
      lane.at = 0;
    }
    const data = lane.slab.subarray(lane.at, lane.at + bytes);
    for (let i = 0; i < bytes; i++) data[i] = 97 + ((lane.queue + lane.tail + i) % 26);
    const append = { ...laneOf(lane), first: lane.tail, count: bytes, bytes, data };
    lane.at += bytes;
    lane.tail += bytes;
    return append;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What lanes hold by reading a store that runs. */
const read = (store: Store, lanes: readonly MadeLane[]): string[][] =>
  lanes.map((lane) => entriesOf(store, lane, lane.cursor, store.records(lane, 0, Infinity)));

test.for([
  { name: "small groups", appendBytesMax: 12_000 },
  { name: "groups of which some are larger than the log", appendBytesMax: 300_000 },
])(
  "$name: whenever the power goes, what comes back is every group that was durable, and no half of another [J8 J9 J33 J34]",
  async ({ name, appendBytesMax }) => {
    const { below, random } = seeded(`redo model, ${name}`);
    for (let round = 0; round < ROUNDS; round++) {
      const memory = new MemoryStore();
      const maker = new GroupMaker(below, appendBytesMax);
      let dir = newFolder();
      let store = await opened(dir);
      store.load();
      store.observe(observer);
      for (let step = 0; step < STEPS; step++) {
        const group = maker.next();
        await store.commit(group);
        memory.apply(group);
        for (let i = below(4); i > 0; i--) await turn(); // the checkpoint gets a slice further
        if (step % 10 === 0) expect(read(store, maker.lanes)).toEqual(read(memory, maker.lanes));
        if (random() > 0.06) continue;
        dir = imageOf(dir);
        store = await opened(dir);
        expect(contents(store), `round ${round}, step ${step}`).toEqual(contents(memory));
        store.observe(observer);
      }
      await store.close();
      open.splice(open.indexOf(store), 1);
      expect(contents(await opened(dir)), `round ${round}, closed`).toEqual(contents(memory));
    }
    expect(failures).toEqual([]);
  },
);
