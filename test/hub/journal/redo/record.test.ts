/** The record codec: what is written comes back, byte for byte; what was not written by us is never taken for it [J33]. */
import { describe, expect, test } from "vitest";
import {
  BLOCK_BYTES,
  decodeRecord,
  encodeRecord,
  isIntact,
  recordHeader,
  sizeOf,
  wholeBlocks,
} from "../../../../hub/journal/redo/record.ts";
import type { Group } from "../../../../hub/journal/store.ts";
import { seeded } from "../../../support/seed.ts";

const EPOCH = 0xfeedbeef;
const SEQ = 7;

const group: Group = {
  deletedLanes: [{ queue: 9, priority: 1 }],
  cursors: [{ queue: 1, priority: 10, offset: 2 ** 40 }],
  appends: [
    { queue: 1, priority: 10, first: 2 ** 40, count: 2, bytes: 8, data: Buffer.from("entries1") },
    { queue: 2, priority: 0, first: 5, count: 1, bytes: 8, data: Buffer.from("entries2") },
  ],
  rows: [
    { key: Buffer.from("\x07key", "latin1"), value: Buffer.from("v") },
    { key: Buffer.from("\x07gone", "latin1"), value: null },
  ],
  poweredMs: 1234.5,
  wallMs: 1.7e12,
};

function encoded(of: Group = group): Buffer {
  const record = Buffer.alloc(wholeBlocks(sizeOf(of).bytes), 0xaa); // the buffer is used again and again
  encodeRecord(record, of, EPOCH, SEQ);
  return record;
}

test("has this layout, which logs on disk have [J33]", () => {
  const record = encoded();
  expect(record.length).toBe(BLOCK_BYTES);
  const { bytes } = recordHeader(record, EPOCH)!;
  expect(record.subarray(bytes).every((byte) => byte === 0)).toBe(true);
  expect(record.toString("hex", 0, bytes)).toBe(
    "5245444fec1eddd8efbeedfeb0000000" +
      "0000000000001c4000000000004a934000008056febc7842" +
      "01000000010000000200000002000000" +
      "0900000001000000" +
      "010000000a0000000000000000007042" +
      "010000000a00000000000000000070420200000008000000" +
      "020000000000000000000000000014400100000008000000" +
      "0400000001000000076b657976" +
      "05000000ffffffff07676f6e65000000000000" +
      "656e747269657331656e747269657332",
  );
});

test("comes back as it was [J33]", () => {
  const record = encoded();
  expect(recordHeader(record, EPOCH)?.seq).toBe(SEQ);
  expect(isIntact(record, EPOCH)).toBe(true);
  const { dataAt, ...decoded } = decodeRecord(record)!;
  const appends = group.appends.map(({ queue, priority, first, count, bytes }) => ({
    queue,
    priority,
    first,
    count,
    bytes,
  }));
  expect(decoded).toEqual({ ...group, appends, seq: SEQ });
  expect(record.toString("latin1", dataAt, dataAt + 16)).toBe("entries1entries2");
  expect(dataAt % 8, "entries are read where they lie").toBe(0);
});

test("of nothing but the time is one block", () => {
  const record = encoded({ deletedLanes: [], cursors: [], appends: [], rows: [], poweredMs: 5, wallMs: 6 });
  expect(record.length).toBe(BLOCK_BYTES);
  expect(decodeRecord(record)).toMatchObject({ poweredMs: 5, appends: [], rows: [] });
});

describe("is not taken for one", () => {
  test("in a log of another epoch, however whole [J33]", () => {
    expect(recordHeader(encoded(), EPOCH + 1)).toBeNull();
    const forged = encoded();
    forged.writeUInt32LE(EPOCH + 1, 8);
    expect(isIntact(forged, EPOCH + 1), "the sum begins with the epoch").toBe(false);
  });

  test("when any one byte of it is another", () => {
    const record = encoded();
    const { bytes } = recordHeader(record, EPOCH)!;
    for (let at = 0; at < bytes; at++) {
      record[at]! ^= 0x10;
      expect(isIntact(record, EPOCH), `byte ${at}`).toBe(false);
      record[at]! ^= 0x10;
    }
  });

  test("when it is cut off", () => {
    const record = encoded();
    const { bytes } = recordHeader(record, EPOCH)!;
    for (let length = 0; length < bytes; length++)
      expect(isIntact(record.subarray(0, length), EPOCH)).toBe(false);
  });
});

test("of any bytes at all is a group or nothing, and never an exception", () => {
  const { below } = seeded("record fuzz");
  for (let round = 0; round < 2_000; round++) {
    const record = encoded();
    for (let i = 1 + below(6); i > 0; i--) {
      const at = 12 + below(record.length - 16 < 200 ? record.length - 16 : 200);
      if (below(2) === 0) record.writeUInt32LE(below(2 ** 32), at & ~3);
      else record[at] = below(256);
    }
    const header = recordHeader(record, EPOCH);
    if (header === null) continue;
    isIntact(record, EPOCH);
    const decoded = decodeRecord(record);
    if (decoded !== null) expect(decoded.dataAt).toBeLessThanOrEqual(header.bytes);
  }
});
