/** The end of the log: torn, or damaged [J35]. */
import { mkdtempSync, openSync, closeSync, rmSync, writeSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { LogFile } from "../../../../hub/journal/redo/log-file.ts";
import { encodeRecord, sizeOf, wholeBlocks } from "../../../../hub/journal/redo/record.ts";
import { readLog } from "../../../../hub/journal/redo/recovery.ts";
import { emptyGroup } from "../../../../hub/journal/store.ts";

const RING_BYTES = 256 * 1024;
const HEADER_BYTES = 4096;
const RECORD_BYTES = 3 * 4096;
const RECORDS = 5;
const START = { seq: 0, head: 0 };

const folders: string[] = [];
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function newPath(): string {
  const dir = mkdtempSync(join(tmpdir(), "sandpiper-recovery-"));
  folders.push(dir);
  return join(dir, "redo.log");
}

/** A log with five records of three blocks each. */
async function written(path: string): Promise<LogFile> {
  const log = LogFile.create(path, RING_BYTES, RING_BYTES);
  const data = Buffer.alloc(RECORD_BYTES - 200, "x");
  const append = { queue: 1, priority: 0, first: 0, count: 1, bytes: data.length, data };
  for (let seq = 1; seq <= RECORDS; seq++) {
    const group = { ...emptyGroup({ poweredMs: seq, wallMs: 0 }), appends: [append] };
    const record = Buffer.alloc(wholeBlocks(sizeOf(group).bytes));
    encodeRecord(record, group, log.epoch, seq);
    await log.write(record, record.length, (seq - 1) * RECORD_BYTES);
  }
  return log;
}

function overwrite(path: string, at: number, bytes: Buffer): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, HEADER_BYTES + at);
  closeSync(file);
}

function seqsOf(log: LogFile, after = START): { seqs: number[]; isTorn: boolean; head: number } {
  const seqs: number[] = [];
  const { isTorn, head } = readLog(log, after, ({ seq }) => void seqs.push(seq));
  return { seqs, isTorn, head };
}

test("without a torn end, all groups after the mark come back, and no other", async () => {
  const log = await written(newPath());
  expect(seqsOf(log)).toEqual({ seqs: [1, 2, 3, 4, 5], isTorn: false, head: 5 * RECORD_BYTES });
  expect(seqsOf(log, { seq: 3, head: 3 * RECORD_BYTES }).seqs).toEqual([4, 5]);
  log.close();
});

test.for([1, 47, 48, 100, 4095, 4096, 4097, 8192, RECORD_BYTES - 300])(
  "a last record of which only %i bytes were written is left out, and said to be torn [J35]",
  async (bytes) => {
    const path = newPath();
    const log = await written(path);
    overwrite(path, 4 * RECORD_BYTES + bytes, Buffer.alloc(RECORD_BYTES - bytes));
    const { seqs, isTorn, head } = seqsOf(log);
    expect([seqs, head]).toEqual([[1, 2, 3, 4], 4 * RECORD_BYTES]);
    expect(isTorn, "of one byte nothing can be known").toBe(bytes > 1);
    log.close();
  },
);

test.for([0, 20, 60, 5000, RECORD_BYTES - 400])(
  "damage at byte %i of a record in the middle is corruption, and where is said [J35]",
  async (at) => {
    const path = newPath();
    const log = await written(path);
    const found = readFileSync(path)[HEADER_BYTES + RECORD_BYTES + at]!;
    overwrite(path, RECORD_BYTES + at, Buffer.from([found ^ 0xff]));
    expect(() => seqsOf(log)).toThrow(
      expect.objectContaining({
        code: "SP_STORE_CORRUPT",
        details: expect.objectContaining({ record: 2, from: HEADER_BYTES + RECORD_BYTES }),
      }),
    );
    log.close();
  },
);

test("records of another epoch are none, however whole [J33 J35]", async () => {
  const [old, fresh] = [newPath(), newPath()];
  const log = await written(old);
  log.close();
  const other = LogFile.create(fresh, RING_BYTES, RING_BYTES);
  overwrite(fresh, 0, readFileSync(old).subarray(HEADER_BYTES));
  expect(seqsOf(other)).toEqual({ seqs: [], isTorn: false, head: 0 });
  other.close();
});
