/**
 * One group as a record of the redo log (J33): what it does, routed already, so that recovery never routes. All
 * numbers are little endian.
 *
 *     magic u32 | sum u32 | epoch u32 | bytes u32 | seq f64 | powered ms f64 | wall ms f64 |
 *     deleted, cursors, appends, rows: u32 each
 *     deleted lanes   queue u32 | priority u32
 *     cursors         queue u32 | priority u32 | offset f64
 *     appends         queue u32 | priority u32 | first f64 | count u32 | bytes u32
 *     rows            key bytes u32 | value bytes u32, all ones = deleted | key | value
 *     zeros to a multiple of 8, then the entries of all appends, end to end, then zeros to a multiple of 4096
 *
 * `bytes` is the record without the last zeros; the sum, a CRC-32 that begins with the log's epoch, covers all
 * of them behind that. Whole blocks, so that a torn write never touches a record that was acknowledged.
 */
import { crc32 } from "node:zlib";
import type { CursorMove, Group, LaneKey, RecordRange, TableWrite } from "../store.ts";

export const BLOCK_BYTES = 4096;
export const RECORD_HEADER_BYTES = 56;

const MAGIC = 0x4f444552; // "REDO"
const AT = {
  MAGIC: 0,
  SUM: 4,
  EPOCH: 8,
  BYTES: 12,
  SEQ: 16,
  POWERED: 24,
  WALL: 32,
  DELETED: 40,
  CURSORS: 44,
  APPENDS: 48,
  ROWS: 52,
} as const;
const DELETED_BYTES = 8;
const CURSOR_BYTES = 16;
const APPEND_BYTES = 24;
const ROW_BYTES = 8;
const NO_VALUE = 0xffff_ffff;
/** Entries are made of 8-byte words, and may be read where they lie. */
const WORD_BYTES = 8;

export interface RecordHeader {
  readonly seq: number;
  /** Without the zeros at the end. */
  readonly bytes: number;
}

export interface LoggedAppend extends LaneKey, RecordRange {}

/** A record as it was read back. The entries of the appends lie end to end from `dataAt` on. */
export interface LoggedGroup {
  readonly seq: number;
  readonly deletedLanes: readonly LaneKey[];
  readonly cursors: readonly CursorMove[];
  readonly appends: readonly LoggedAppend[];
  readonly rows: readonly TableWrite[];
  readonly poweredMs: number;
  readonly wallMs: number;
  readonly dataAt: number;
}

export const wholeBlocks = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;

const wholeWords = (bytes: number): number => Math.ceil(bytes / WORD_BYTES) * WORD_BYTES;

/** Where the entries of a group begin in its record, and where they end. */
export function sizeOf(group: Group): { readonly dataAt: number; readonly bytes: number } {
  let tables =
    RECORD_HEADER_BYTES +
    DELETED_BYTES * group.deletedLanes.length +
    CURSOR_BYTES * group.cursors.length +
    APPEND_BYTES * group.appends.length;
  for (const { key, value } of group.rows) tables += ROW_BYTES + key.length + (value?.length ?? 0);
  const dataAt = wholeWords(tables);
  let bytes = dataAt;
  for (const append of group.appends) bytes += append.bytes;
  return { dataAt, bytes };
}

/** Encodes a group at the start of `out`, which has room for whole blocks. One copy, nothing made per message. */
export function encodeRecord(out: Buffer, group: Group, epoch: number, seq: number): void {
  const { dataAt, bytes } = sizeOf(group);
  out.writeUInt32LE(MAGIC, AT.MAGIC);
  out.writeUInt32LE(epoch, AT.EPOCH);
  out.writeUInt32LE(bytes, AT.BYTES);
  out.writeDoubleLE(seq, AT.SEQ);
  out.writeDoubleLE(group.poweredMs, AT.POWERED);
  out.writeDoubleLE(group.wallMs, AT.WALL);
  out.writeUInt32LE(group.deletedLanes.length, AT.DELETED);
  out.writeUInt32LE(group.cursors.length, AT.CURSORS);
  out.writeUInt32LE(group.appends.length, AT.APPENDS);
  out.writeUInt32LE(group.rows.length, AT.ROWS);
  const end = encodeTables(out, group);
  out.fill(0, end, dataAt);
  let at = dataAt;
  for (const { data } of group.appends) {
    out.set(data, at);
    at += data.length;
  }
  out.fill(0, bytes, wholeBlocks(bytes));
  out.writeUInt32LE(sumOf(out, bytes, epoch), AT.SUM);
}

function encodeTables(out: Buffer, { deletedLanes, cursors, appends, rows }: Group): number {
  let at = RECORD_HEADER_BYTES;
  const lane = ({ queue, priority }: LaneKey): void => {
    out.writeUInt32LE(queue, at);
    out.writeUInt32LE(priority, at + 4);
  };
  for (const deleted of deletedLanes) {
    lane(deleted);
    at += DELETED_BYTES;
  }
  for (const cursor of cursors) {
    lane(cursor);
    out.writeDoubleLE(cursor.offset, at + 8);
    at += CURSOR_BYTES;
  }
  for (const append of appends) {
    lane(append);
    out.writeDoubleLE(append.first, at + 8);
    out.writeUInt32LE(append.count, at + 16);
    out.writeUInt32LE(append.bytes, at + 20);
    at += APPEND_BYTES;
  }
  for (const { key, value } of rows) {
    out.writeUInt32LE(key.length, at);
    out.writeUInt32LE(value?.length ?? NO_VALUE, at + 4);
    out.set(key, at + ROW_BYTES);
    at += ROW_BYTES + key.length;
    if (value === null) continue;
    out.set(value, at);
    at += value.length;
  }
  return at;
}

/** From behind the epoch on: the epoch as the first word after the epoch as the seed would cancel it. */
const sumOf = (record: Buffer, bytes: number, epoch: number): number =>
  crc32(record.subarray(AT.BYTES, bytes), epoch);

/**
 * The header at `at`, or `null` when no record of this epoch begins there. Nothing but the sum proves a record: a
 * header only says how much to read for that.
 */
export function recordHeader(block: Buffer, epoch: number, at = 0): RecordHeader | null {
  if (block.length < at + RECORD_HEADER_BYTES) return null;
  if (block.readUInt32LE(at + AT.MAGIC) !== MAGIC || block.readUInt32LE(at + AT.EPOCH) !== epoch) return null;
  const header = { seq: block.readDoubleLE(at + AT.SEQ), bytes: block.readUInt32LE(at + AT.BYTES) };
  return header.bytes >= RECORD_HEADER_BYTES && Number.isSafeInteger(header.seq) ? header : null;
}

/** Whether `record` is, to its last byte, what was written. */
export function isIntact(record: Buffer, epoch: number): boolean {
  const header = recordHeader(record, epoch);
  if (header === null || header.bytes > record.length) return false;
  return record.readUInt32LE(AT.SUM) === sumOf(record, header.bytes, epoch);
}

/** An intact record's group, copied; `null` when its tables say what cannot be, which only we could have written. */
export function decodeRecord(record: Buffer): LoggedGroup | null {
  const bytes = record.readUInt32LE(AT.BYTES);
  if (bytes > record.length) return null;
  const reader = new TableReader(record.subarray(0, bytes));
  const [deleted, cursors, appends, rows] = [AT.DELETED, AT.CURSORS, AT.APPENDS, AT.ROWS].map((at) =>
    record.readUInt32LE(at),
  ) as [number, number, number, number];
  const fixed = DELETED_BYTES * deleted + CURSOR_BYTES * cursors + APPEND_BYTES * appends + ROW_BYTES * rows;
  if (RECORD_HEADER_BYTES + fixed > bytes) return null;
  const group = {
    seq: record.readDoubleLE(AT.SEQ),
    poweredMs: record.readDoubleLE(AT.POWERED),
    wallMs: record.readDoubleLE(AT.WALL),
    deletedLanes: times(deleted, () => reader.lane()),
    cursors: times(cursors, () => ({ ...reader.lane(), offset: reader.f64() })),
    appends: times(appends, () => ({
      ...reader.lane(),
      first: reader.f64(),
      count: reader.u32(),
      bytes: reader.u32(),
    })),
    rows: times(rows, () => reader.row()),
  };
  const dataAt = wholeWords(reader.at);
  const end = group.appends.reduce((sum, append) => sum + append.bytes, dataAt);
  return reader.isOverrun || end !== bytes ? null : { ...group, dataAt };
}

const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

/** Reads on from table to table; beyond the end everything is zero, and said to be. */
class TableReader {
  readonly #record: Buffer;
  at = RECORD_HEADER_BYTES;

  constructor(record: Buffer) {
    this.#record = record;
  }

  get isOverrun(): boolean {
    return this.at > this.#record.length;
  }

  #take(bytes: number): Buffer {
    const from = this.at;
    this.at += bytes;
    return this.isOverrun
      ? Buffer.alloc(bytes > WORD_BYTES ? 0 : bytes)
      : this.#record.subarray(from, this.at);
  }

  u32(): number {
    return this.#take(4).readUInt32LE(0);
  }

  f64(): number {
    return this.#take(8).readDoubleLE(0);
  }

  lane(): LaneKey {
    return { queue: this.u32(), priority: this.u32() };
  }

  row(): TableWrite {
    const keyBytes = this.u32();
    const valueBytes = this.u32();
    const key = Buffer.from(this.#take(keyBytes));
    return { key, value: valueBytes === NO_VALUE ? null : Buffer.from(this.#take(valueBytes)) };
  }
}
