/** The LMDB store alone: what is committed comes back, and what is broken is said to be. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open as openLmdb, type RootDatabase } from "lmdb";
import { afterEach, describe, expect, test } from "vitest";
import { SandpiperError } from "../../../abi/index.ts";
import { Journal } from "../../../hub/journal/journal.ts";
import { Lane } from "../../../hub/journal/lane.ts";
import { LmdbStore } from "../../../hub/journal/lmdb-store.ts";
import type { Append, Group } from "../../../hub/journal/store.ts";
import { bodiesOf, frameOf } from "../../support/frames.ts";

const folders: string[] = [];
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function newFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "sandpiper-lmdb-"));
  folders.push(dir);
  return dir;
}

const LANE = { queue: 1, priority: 10 };
const nothing: Group = { appends: [], cursors: [], rows: [], deletedLanes: [], poweredMs: 0, wallMs: 0 };

function append(first: number, count: number, text: string, lane = LANE): Append {
  const data = Buffer.from(text);
  return { ...lane, first, count, bytes: data.length, data };
}

const row = (key: string, value: string | null) => ({
  key: Buffer.from(key, "latin1"),
  value: value === null ? null : Buffer.from(value),
});

/** What a new store over the same folder finds. */
async function reopened(
  dir: string,
  store: LmdbStore,
): Promise<{ store: LmdbStore; found: ReturnType<LmdbStore["load"]> }> {
  await store.close();
  const again = new LmdbStore(dir);
  return { store: again, found: again.load() };
}

const rowsOf = (found: ReturnType<LmdbStore["load"]>): [string, string][] =>
  [...found.rows].map(({ key, value }) => [key.toString("latin1"), value!.toString()]);

describe("what is committed", () => {
  test("comes back: records, cursors, rows and powered time [J7 J8 J31]", async () => {
    const dir = newFolder();
    const first = new LmdbStore(dir);
    first.load();
    await first.commit({
      ...nothing,
      appends: [append(0, 2, "ab")],
      rows: [row("\x01x", "1"), row("\x07\xff", "kv")],
    });
    await first.commit({
      ...nothing,
      appends: [append(2, 1, "c")],
      rows: [row("\x01x", null)],
      poweredMs: 5_000,
      wallMs: 7_000,
    });
    const { store, found } = await reopened(dir, first);
    expect(found.lanes).toEqual([
      {
        ...LANE,
        cursor: 0,
        records: [
          { first: 0, count: 2, bytes: 2 },
          { first: 2, count: 1, bytes: 1 },
        ],
      },
    ]);
    expect(found.lanes[0]!.records.map((record) => Buffer.from(store.read(LANE, record)).toString())).toEqual(
      ["ab", "c"],
    );
    expect(rowsOf(found)).toEqual([["\x07\xff", "kv"]]);
    expect([found.poweredMs, found.wallMs, store.liveBytes]).toEqual([5_000, 7_000, 3]);
    await store.close();
  });

  test("loses the records that a cursor has passed whole, and keeps one that it stands in", async () => {
    const dir = newFolder();
    const first = new LmdbStore(dir);
    first.load();
    await first.commit({ ...nothing, appends: [append(0, 2, "ab"), append(2, 3, "cde"), append(5, 1, "f")] });
    await first.commit({ ...nothing, cursors: [{ ...LANE, offset: 4 }] });
    expect(first.records(LANE, 0, 6).map((record) => record.first)).toEqual([2, 5]);
    expect(first.liveBytes).toBe(4);
    const { store, found } = await reopened(dir, first);
    expect(found.lanes).toMatchObject([{ cursor: 4, records: [{ first: 2 }, { first: 5 }] }]);
    await store.close();
  });

  test("may leave a hole below the cursor that comes with it [J4b]", async () => {
    const dir = newFolder();
    const first = new LmdbStore(dir);
    first.load();
    await first.commit({ ...nothing, appends: [append(0, 2, "ab")] });
    await first.commit({ ...nothing, cursors: [{ ...LANE, offset: 50 }], appends: [append(50, 1, "z")] });
    const { store, found } = await reopened(dir, first);
    expect(found.lanes).toMatchObject([{ cursor: 50, records: [{ first: 50, count: 1 }] }]);
    await store.close();
  });

  test("of a deleted lane is nothing, and of its neighbours everything [J28]", async () => {
    const dir = newFolder();
    const first = new LmdbStore(dir);
    first.load();
    const lanes = [
      { queue: 1, priority: 0 },
      { queue: 1, priority: 255 },
      { queue: 2, priority: 0 },
      { queue: 256, priority: 0 },
      { queue: 2 ** 32 - 1, priority: 10 },
    ];
    const appends = lanes.map((lane) => append(0, 2, "xy", lane));
    await first.commit({ ...nothing, appends, cursors: lanes.map((lane) => ({ ...lane, offset: 1 })) });
    await first.commit({ ...nothing, deletedLanes: [lanes[1]!, lanes[3]!] });
    const { store, found } = await reopened(dir, first);
    expect(found.lanes.map(({ queue, priority }) => ({ queue, priority }))).toEqual([
      lanes[0],
      lanes[2],
      lanes[4],
    ]);
    expect(found.lanes.every(({ cursor, records }) => cursor === 1 && records.length === 1)).toBe(true);
    await store.close();
  });

  test("keeps its order over many records, also far beyond 32 bits", async () => {
    const dir = newFolder();
    const first = new LmdbStore(dir);
    first.load();
    const offsets = [0, 1, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 48 - 2];
    for (const offset of offsets.toReversed())
      await first.commit({ ...nothing, appends: [append(offset, 1, "x")] });
    const { store, found } = await reopened(dir, first);
    expect(found.lanes[0]!.records.map((record) => record.first)).toEqual(offsets);
    expect(store.records(LANE, 256, 2 ** 32).map((record) => record.first)).toEqual([
      256,
      65_535,
      65_536,
      2 ** 32 - 1,
    ]);
    await store.close();
  });
});

test("the store is its owner's alone, and so is its folder", async () => {
  const dir = join(newFolder(), "deep", "store");
  const store = new LmdbStore(dir);
  store.load();
  await store.commit({ ...nothing, rows: [row("\x04d", "key")] });
  store.restoreReserve();
  for (const name of ["journal.mdb", "reserve"])
    expect(statSync(join(dir, name)).mode & 0o777, name).toBe(0o600);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  await store.close();
});

describe("a folder that cannot be a store", () => {
  test("is refused with its name and what to check", () => {
    const path = join(newFolder(), "file");
    writeFileSync(path, "not a folder");
    expect(() => new LmdbStore(join(path, "store"))).toThrow(
      expect.objectContaining({
        code: "SP_STORE_OPEN",
        details: { dir: join(path, "store") },
        hint: expect.any(String),
      }),
    );
  });

  test("of another format is refused, and left as it is", async () => {
    const dir = newFolder();
    await tampered(dir, nothing, (db) => db.put(Buffer.from([0, 0]), Buffer.from([9, 0, 0, 0])));
    const store = new LmdbStore(dir);
    expect(() => store.load()).toThrow(
      expect.objectContaining({ code: "SP_STORE_FORMAT", message: "store: format 9, this version reads 2" }),
    );
    await store.close();
  });
});

/** Commits a group, then changes the file behind the store's back. */
async function tampered(
  dir: string,
  group: Group,
  change: (db: RootDatabase<Buffer, Buffer>) => Promise<unknown>,
): Promise<void> {
  const store = new LmdbStore(dir);
  store.load();
  await store.commit({ ...group, poweredMs: 1 });
  await store.close();
  const db = openLmdb<Buffer, Buffer>({
    path: join(dir, "journal.mdb"),
    encoding: "binary",
    keyEncoding: "binary",
  });
  await change(db);
  await db.close();
}

/** Three records of two messages each, of which some are settled. */
function sixMessages(settled: number): Group {
  const appends = [0, 2, 4].map((first): Append => {
    const lane = new Lane(LANE, first, () => undefined);
    for (const n of [first, first + 1]) {
      const { block, length } = frameOf(`m${n}`);
      lane.appendFrame(block, 0, length, { port: 0, deadline: Infinity });
    }
    return lane.slices(lane.cursor, lane.tailPosition())[0]!;
  });
  return { ...nothing, appends, cursors: [{ ...LANE, offset: settled }] };
}

function openJournal(dir: string): Journal {
  return new Journal({
    store: new LmdbStore(dir),
    clock: { wall: () => 0, monotonic: () => 0 },
    lingerMs: 0,
    graceMs: 0,
    onDurable: () => undefined,
    onLingerEnding: () => undefined,
    onFailure: () => undefined,
  });
}

describe("a store that is damaged", () => {
  const RECORD = 3;
  const CURSOR = 1;
  const recordKeys = (db: RootDatabase<Buffer, Buffer>): Buffer[] => [
    ...db.getKeys({ start: Buffer.from([RECORD]), end: Buffer.from([RECORD + 1]) }),
  ];

  test("comes back whole when nothing was changed", async () => {
    const dir = newFolder();
    await tampered(dir, sixMessages(1), () => Promise.resolve());
    expect(bodiesOf(openJournal(dir).lane(LANE))).toEqual(["m1", "m2", "m3", "m4", "m5"]);
  });

  const damages: {
    readonly name: string;
    readonly damage: (db: RootDatabase<Buffer, Buffer>) => Promise<unknown>;
  }[] = [
    { name: "a record between others is missing", damage: (db) => db.remove(recordKeys(db)[1]!) },
    { name: "the record at the cursor is missing", damage: (db) => db.remove(recordKeys(db)[0]!) },
    {
      name: "the record at the cursor is cut short",
      damage: (db) => db.put(recordKeys(db)[0]!, Buffer.alloc(8)),
    },
    {
      name: "a record's key is cut short",
      damage: (db) => db.put(Buffer.from([RECORD, 0, 0]), Buffer.alloc(8)),
    },
    {
      name: "a cursor is cut short",
      damage: (db) => db.put(Buffer.from([CURSOR, 0, 0, 0, 1, 10]), Buffer.alloc(2)),
    },
    {
      name: "a cursor's key is cut short",
      damage: (db) => db.put(Buffer.from([CURSOR, 0]), Buffer.alloc(8)),
    },
  ];
  test.for(damages)("is refused, and not opened with a hole: $name", async ({ damage }) => {
    const dir = newFolder();
    await tampered(dir, sixMessages(1), damage);
    let caught: unknown;
    try {
      openJournal(dir);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(SandpiperError);
    expect(caught).toMatchObject({ code: "SP_STORE_CORRUPT", hint: expect.stringContaining("aside") });
    expect((caught as Error).message).toMatch(/^store: (?!store:)/);
  });

  const latent: { readonly name: string; readonly bytes: (value: Buffer) => Buffer }[] = [
    { name: "cut short", bytes: (value) => value.subarray(0, 8) },
    { name: "all zeros", bytes: (value) => Buffer.alloc(value.length) },
    { name: "of another place in the lane", bytes: (value) => (value.writeUInt32LE(77, 12), value) },
    {
      name: "of entries that run over their end",
      bytes: (value) => (value.writeUInt32LE(2 * value.length, 0), value),
    },
  ];
  test.for(latent)("says so when the damage is met on reading: a record is $name", async ({ bytes }) => {
    const dir = newFolder();
    await tampered(dir, sixMessages(0), (db) => {
      const key = recordKeys(db)[2]!;
      return db.put(key, bytes(Buffer.from(db.get(key)!)));
    });
    const lane = openJournal(dir).lane(LANE);
    expect(() => bodiesOf(lane)).toThrow(
      expect.objectContaining({
        code: "SP_STORE_CORRUPT",
        details: expect.objectContaining({ queue: 1, priority: 10 }),
      }),
    );
  });
});
