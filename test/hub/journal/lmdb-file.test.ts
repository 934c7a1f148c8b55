/** Files that LMDB cannot be given, each made from a good one. A miss here ends the process that runs the test. */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LmdbStore } from "../../../hub/journal/lmdb-store.ts";
import { lmdbFileFault } from "../../../hub/journal/lmdb-file.ts";

const PAGE_BYTES = 4096;
let dir: string;
let file: string;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "sandpiper-lmdb-"));
  file = join(dir, "journal.mdb");
  const db = open({ path: file });
  await db.put("key", "x".repeat(20_000));
  await db.close();
});
afterEach(() => rmSync(dir, { recursive: true }));

function overwrite(page: number, bytes: Buffer): void {
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, bytes, 0, bytes.length, page * PAGE_BYTES);
  closeSync(descriptor);
}

test("a good one, an empty one and none at all are taken", () => {
  expect(lmdbFileFault(file)).toBe(null);
  truncateSync(file, 0);
  expect(lmdbFileFault(file)).toBe(null);
  expect(lmdbFileFault(join(dir, "none"))).toBe(null);
});

test.for<[string, () => void]>([
  ["another file", () => writeFileSync(file, "#!/bin/sh\n")],
  ["one whose first page is zeros", () => overwrite(0, Buffer.alloc(PAGE_BYTES))],
  ["one whose second page is noise", () => overwrite(1, Buffer.alloc(PAGE_BYTES, 0xa5))],
  ["one of zeros alone", () => overwrite(0, Buffer.alloc(readFileSync(file).length))],
  ["one cut off in its first page", () => truncateSync(file, 100)],
  ["one cut off behind its first page", () => truncateSync(file, PAGE_BYTES)],
])("%s is refused as a store, by name", ([, damage]) => {
  damage();
  expect(() => new LmdbStore(dir)).toThrow(
    expect.objectContaining({
      code: "SP_STORE_CORRUPT",
      message: expect.stringMatching(/^store: ".*journal\.mdb" (?:does not begin|is cut off)/),
      hint: expect.stringContaining("set-aside"),
    }),
  );
});
