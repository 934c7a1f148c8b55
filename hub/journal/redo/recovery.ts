/**
 * Reading the redo log when a store is opened: every group after the mark, in order, up to the first record that
 * is not whole. That one is what was being written when the power went, unless a later one is whole: one record
 * is in flight at a time, so then the log has been damaged, and nobody guesses (J35).
 */
import { storeCorrupt } from "../store.ts";
import type { LogFile } from "./log-file.ts";
import {
  BLOCK_BYTES,
  decodeRecord,
  isIntact,
  recordHeader,
  wholeBlocks,
  type LoggedGroup,
  type RecordHeader,
} from "./record.ts";

/** Read in pieces of this size when later records are looked for. */
const SCAN_BYTES = 256 * 1024;

/** A record as it lies in the log. */
export interface LoggedRecord {
  readonly seq: number;
  readonly place: number;
  /** Whole blocks, valid until the next record is read. */
  readonly raw: Buffer;
}

export interface LogTail {
  /** The last group that is whole. */
  readonly seq: number;
  /** Where the next record may begin. */
  readonly head: number;
  readonly last: LoggedRecord | null;
  /** A record was cut off while it was written. It was never acknowledged. */
  readonly isTorn: boolean;
}

/** Calls `onGroup` for each group after `seq`, whose record begins at `head` or after. @throws SP_STORE_CORRUPT */
export function readLog(
  log: LogFile,
  after: { readonly seq: number; readonly head: number },
  onGroup: (group: LoggedGroup, place: number) => void,
): LogTail {
  let { seq, head } = after;
  let last: LoggedRecord | null = null;
  for (;;) {
    const record = recordAt(log, head, seq + 1);
    if (record === null) break;
    const group = decodeRecord(record.raw);
    if (group === null)
      throw storeCorrupt(`"${log.path}": record ${seq + 1} makes no sense`, { path: log.path });
    onGroup(group, record.place);
    seq++;
    head = record.place + record.raw.length;
    last = record;
  }
  return { seq, head, last, isTorn: isTornAfter(log, seq, head) };
}

/** The record `seq`, at `head` or, when it did not fit there, at the begin of the next lap. */
function recordAt(log: LogFile, head: number, seq: number): LoggedRecord | null {
  const lap = Math.ceil(head / log.ringBytes) * log.ringBytes;
  return readRecord(log, head, seq) ?? (lap === head ? null : readRecord(log, lap, seq));
}

function readRecord(log: LogFile, place: number, seq: number): LoggedRecord | null {
  const block = Buffer.alloc(BLOCK_BYTES);
  log.read(block, place);
  const header = recordHeader(block, log.epoch);
  if (header === null || header.seq !== seq || !fits(log, place, header)) return null;
  const raw = Buffer.alloc(wholeBlocks(header.bytes));
  log.read(raw, place);
  return isIntact(raw, log.epoch) ? { seq, place, raw } : null;
}

const fits = (log: LogFile, place: number, { bytes }: RecordHeader): boolean =>
  wholeBlocks(bytes) <= log.ringBytes - (place % log.ringBytes);

/** Whether the beginning of a record after `seq` is there. @throws SP_STORE_CORRUPT when a whole one is */
function isTornAfter(log: LogFile, seq: number, head: number): boolean {
  let isTorn = false;
  for (const later of recordsAfter(log, seq)) {
    if (later.isWhole) throw damaged(log, seq + 1, head, later.seq, later.place);
    isTorn = true;
  }
  return isTorn;
}

/** Whether any record is there at all. */
export function holdsRecords(log: LogFile): boolean {
  for (const { isWhole } of recordsAfter(log, 0)) if (isWhole) return true;
  return false;
}

/** Whatever begins as a record after `seq` does, anywhere in the log. */
function* recordsAfter(
  log: LogFile,
  seq: number,
): Generator<{ readonly seq: number; readonly place: number; readonly isWhole: boolean }> {
  const piece = Buffer.alloc(SCAN_BYTES);
  for (let from = 0; from < log.ringBytes; from += SCAN_BYTES) {
    const bytes = log.read(piece, from);
    for (let at = 0; at < bytes; at += BLOCK_BYTES) {
      const header = recordHeader(piece, log.epoch, at);
      if (header === null || header.seq <= seq) continue;
      const place = from + at;
      yield { seq: header.seq, place, isWhole: readRecord(log, place, header.seq) !== null };
    }
  }
}

function damaged(log: LogFile, seq: number, head: number, laterSeq: number, laterAt: number): Error {
  const from = BLOCK_BYTES + (head % log.ringBytes);
  const to = BLOCK_BYTES + laterAt;
  return storeCorrupt(
    `"${log.path}": record ${seq} at byte ${from} is damaged, and record ${laterSeq} at byte ${to} is whole`,
    { path: log.path, from, to, record: seq, laterRecord: laterSeq },
  );
}
