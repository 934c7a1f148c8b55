/** Room comes back: inside the file for what follows, and by compaction to the disk. Nothing is lost by it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import {
  COMPACTION_BOUNDS,
  isWorthCompacting,
  refuseWithoutRoom,
  type StoreSpace,
} from "../../../hub/journal/compaction.ts";
import { Compactor } from "../../../hub/journal/compactor.ts";
import { LmdbStore } from "../../../hub/journal/lmdb-store.ts";
import type { Append, Group } from "../../../hub/journal/store.ts";
import { seeded } from "../../support/seed.ts";
import { tempDir } from "../../support/temp-dir.ts";

const LANE = { queue: 1, priority: 10 };
const nothing: Group = { appends: [], cursors: [], rows: [], deletedLanes: [], poweredMs: 0, wallMs: 0 };
const RECORD_BYTES = 60_000;
const MIB = 1024 * 1024;

const record = (first: number): Append => {
  return { ...LANE, first, count: 1, bytes: RECORD_BYTES, data: Buffer.alloc(RECORD_BYTES, first & 0xff) };
};

/** A backlog of `count` records, in groups, and then its end. */
async function fill(store: LmdbStore, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += 16) {
    await store.commit({ ...nothing, appends: Array.from({ length: 16 }, (_, i) => record(at + i)) });
  }
}
async function drain(store: LmdbStore, from: number, count: number): Promise<void> {
  for (let at = from + 16; at <= from + count; at += 16) {
    await store.commit({ ...nothing, cursors: [{ ...LANE, offset: at }] });
  }
}

test("a drained backlog leaves its room to the next, and compaction gives it back to the disk", async () => {
  const dir = await tempDir();
  const store = new LmdbStore(dir);
  store.load();
  const file = join(dir, "journal.mdb");
  await fill(store, 0, 320);
  const full = statSync(file).size;
  expect(full).toBeGreaterThan(320 * RECORD_BYTES);
  await drain(store, 0, 320);
  await fill(store, 320, 304);
  expect(statSync(file).size, "the second backlog fits into the room of the first").toBeLessThanOrEqual(
    full + MIB,
  );
  await drain(store, 320, 288);

  const { beforeBytes, afterBytes } = await store.compact();
  expect(beforeBytes).toBeGreaterThan(full - 1);
  expect(afterBytes).toBe(statSync(file).size);
  expect(afterBytes).toBeLessThan(2 * MIB);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(store.records(LANE, 0, 1_000)).toHaveLength(16);
  expect([...store.read(LANE, record(610)).subarray(0, 2)]).toEqual([610 & 0xff, 610 & 0xff]);
  await store.close();
  expect(readdirSync(dir).toSorted()).toEqual(["journal.mdb", "journal.mdb-lock"]);

  const again = new LmdbStore(dir);
  expect(again.load().lanes).toMatchObject([{ cursor: 608, records: { length: 16 } }]);
  await again.close();
});

test("what is committed while a store is compacted is there afterwards, and reads go on meanwhile", async () => {
  const dir = await tempDir();
  const store = new LmdbStore(dir);
  store.load();
  await fill(store, 0, 160);
  for (let round = 0; round < 3; round++) {
    const compacting = store.compact();
    const committing = fill(store, 160 + 16 * round, 16);
    let settled = false;
    void compacting.finally(() => (settled = true));
    while (!settled) {
      expect(store.read(LANE, record(7))[0]).toBe(7);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await compacting;
    await committing;
  }
  await store.close();
  const again = new LmdbStore(dir);
  expect(again.load().lanes[0]!.records.map(({ first }) => first)).toEqual(
    Array.from({ length: 208 }, (_, i) => i),
  );
  await again.close();
});

test("the first commit after a compaction may free any number of pages", async () => {
  const dir = await tempDir();
  const store = new LmdbStore(dir);
  store.load();
  for (let from = 0; from < 5 * 64; from += 64) {
    await fill(store, from, 64);
    await store.compact();
    // What lmdb's allocator made of this, without a transaction before it, was the end of the process.
    const appends = [record(from + 64), record(from + 65)].map((append) => ({ ...append, queue: 2 }));
    await store.commit({ ...nothing, appends, cursors: [{ ...LANE, offset: from + 60 }] });
    expect(store.records(LANE, 0, 1_000)).toHaveLength(4);
  }
  await store.close();
});

const CHURN = fileURLToPath(new URL("../../../dist/test/support/compacting-process.js", import.meta.url));

test("a process killed while it compacts leaves a store with all that it acknowledged", async () => {
  const { below } = seeded("kill while compacting");
  const dir = await tempDir();
  let acknowledged = -1;
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [CHURN, dir], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 20 + below(150)));
    child.kill("SIGKILL");
    await once(child, "close");
    acknowledged = Number(out.split("\n").at(-2));
    const store = new LmdbStore(dir);
    const offsets = store.load().lanes[0]!.records.map(({ first }) => first);
    expect(offsets.at(-1)).toBeGreaterThanOrEqual(acknowledged);
    expect(offsets).toEqual(Array.from({ length: offsets.length }, (_, i) => offsets[0]! + i));
    for (const first of offsets)
      expect(store.read(LANE, { first, count: 1, bytes: 4_000 })[0]).toBe(first & 0xff);
    await store.close();
    expect(readdirSync(dir).filter((name) => name.startsWith("compact-"))).toEqual([]);
  }
  expect(acknowledged).toBeGreaterThan(0);
});

test("what a compaction left that did not end is removed by the next start", async () => {
  const dir = await tempDir();
  for (const name of ["compact-3.mdb", "compact-3.mdb-lock"]) writeFileSync(join(dir, name), "half");
  const store = new LmdbStore(dir);
  store.load();
  expect(readdirSync(dir)).not.toContain("compact-3.mdb");
  await store.close();
});

test("a disk without room for the copy is a refusal with numbers, before anything is written", async () => {
  const dir = await tempDir();
  expect(() => refuseWithoutRoom(dir, 2 ** 52)).toThrow(
    expect.objectContaining({
      code: "SP_COMPACT_NO_ROOM",
      details: { dir, neededBytes: 2 ** 52 + 8 * MIB, freeBytes: expect.any(Number) },
    }),
  );
});

const { fileBytesMin, heldBytesMax } = COMPACTION_BOUNDS;
test.for<[string, Partial<StoreSpace>, boolean, boolean]>([
  ["a file that is mostly free, at rest", {}, true, true],
  ["the same under load", {}, false, false],
  ["the same under load, where commits go on meanwhile", { holdsCommits: false }, false, true],
  ["a small file", { fileBytes: fileBytesMin - 1 }, true, false],
  ["a file that is half used", { usedBytes: fileBytesMin / 2 }, true, false],
  ["a copy that would hold commits up", { fileBytes: 1024 * MIB, usedBytes: heldBytesMax + 1 }, true, false],
])("by itself a hub compacts, or not: %s", ([, differs, isQuiet, expected]) => {
  const space = { fileBytes: fileBytesMin, usedBytes: MIB, holdsCommits: true, ...differs };
  expect(isWorthCompacting(space, isQuiet)).toBe(expected);
});

test("after a compaction that failed a hub waits an hour before the next", async () => {
  let nowMs = 0;
  let tries = 0;
  const compactor = new Compactor({
    space: () => ({ fileBytes: 2 * fileBytesMin, usedBytes: 0, holdsCommits: true }),
    compact: async () => {
      tries++;
      throw new Error("no room");
    },
    groups: () => 0,
    nowMs: () => nowMs,
  });
  for (; nowMs < 2 * 3_600_000; nowMs += 60_000) {
    compactor.review();
    await Promise.resolve().then(() => new Promise((resolve) => setImmediate(resolve)));
  }
  await compactor.close();
  expect(tries).toBe(2);
});
