/** Stores of every version open; those of a later one are refused, and left as they are. */
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  FORMAT_KEY,
  FORMAT_VERSION,
  migrate,
  stepsBetween,
  type Migration,
} from "../../../hub/journal/format.ts";
import { Journal } from "../../../hub/journal/journal.ts";
import { LmdbStore } from "../../../hub/journal/lmdb-store.ts";
import { openDatabase } from "../../../hub/journal/lmdb-environment.ts";
import { bodiesOf } from "../../support/frames.ts";
import { tempDir } from "../../support/temp-dir.ts";

const GOLDEN = new URL("../../golden/store/", import.meta.url);
const versions = readdirSync(GOLDEN).map((name) => Number(/^format-(\d+)\.mdb$/.exec(name)![1]));

test("there is a store of each version to be opened", () => {
  expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: FORMAT_VERSION }, (_, i) => i + 1));
});

test.for(versions)("a store of format %i opens, with all that it held", async (version) => {
  const dir = join(await tempDir(), "store");
  mkdirSync(dir);
  copyFileSync(new URL(`format-${version}.mdb`, GOLDEN), join(dir, "journal.mdb"));
  const journal = new Journal({
    store: new LmdbStore(dir),
    clock: { wall: () => 0, monotonic: () => 0 },
    lingerMs: 0,
    graceMs: 0,
    onDurable: () => undefined,
    onLingerEnding: () => undefined,
    onFailure: () => undefined,
  });
  expect(bodiesOf(journal.lane({ queue: 1, priority: 10 }))).toEqual(["m1", "m2", "m3", "m4", "m5"]);
  expect(journal.tables.get(4, "d1")?.toString()).toContain('"deviceId":"d1"');
  expect(journal.tables.get(7, "m\0k")?.toString()).toBe("v");
  expect(journal.powered.now()).toBe(5_000);
  await journal.close();
});

const ROW = Buffer.from([2, 9, 1]);

test("an older store is brought up step by step, in one transaction", async () => {
  const path = join(await tempDir(), "journal.mdb");
  const db = openDatabase(path);
  await db.put(FORMAT_KEY, Buffer.from([1, 0, 0, 0]));
  await db.put(ROW, Buffer.from("a"));
  const append =
    (letter: string): Migration =>
    (at) => {
      at.putSync(ROW, Buffer.from(`${at.get(ROW)!.toString()}${letter}`));
    };
  const fails: Migration = () => {
    throw new Error("in the middle");
  };
  expect(() => migrate(db, "", new Map([[1, append("b")], [2, fails]]), 3)).toThrow("in the middle"); // prettier-ignore
  expect([db.get(ROW)?.toString(), db.get(FORMAT_KEY)?.[0]]).toEqual(["a", 1]);
  migrate(db, "", new Map([[1, append("b")], [2, append("c")]]), 3); // prettier-ignore
  expect([db.get(ROW)?.toString(), db.get(FORMAT_KEY)?.[0]]).toEqual(["abc", 3]);
  await db.close();
});

test.for<[string, number, number, number[], boolean]>([
  ["the same version", 2, 2, [], true],
  ["one step", 1, 2, [1], true],
  ["a step is missing", 1, 3, [2], false],
  ["a later version", 3, 2, [1, 2], false],
])("whether a store can be brought up: %s", ([, from, to, steps, can]) => {
  const table = new Map(steps.map((version) => [version, () => undefined]));
  expect(stepsBetween(from, to, table) !== null).toBe(can);
});
