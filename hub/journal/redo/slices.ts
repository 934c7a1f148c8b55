/**
 * A checkpoint in slices: what is pending, as groups for the database that are small enough for one turn of the
 * hub's thread. Only the last carries the mark, so that after a crash the log is read again from where the
 * checkpoint before left it; what the database got ahead of that is recognised by its offsets.
 *
 * Each slice is made when the one before is durable, of what is not settled by then.
 */
import type { LmdbStore } from "../lmdb-store.ts";
import type { Append, CursorMove, Group, LaneKey, TableWrite } from "../store.ts";
import type { Pending, PendingLane, PendingRecord } from "./pending.ts";

/** Entries and rows of one slice: read and handed over in one turn. */
const SLICE_BYTES_MAX = 512 * 1024;
/** Writes and deletions of one slice. */
const SLICE_WRITES_MAX = 1_000;
/** Records that lie in one slab are stored as one, up to this size: fewer keys, and a shorter index in memory. */
const MERGED_BYTES_MAX = 64 * 1024;

/** Reads entries back from the log into `into`. */
export type ReadBack = (record: PendingRecord, into: Buffer) => void;

/** One lane's part of a slice that is durable: what is no longer pending. */
interface Stored {
  readonly lane: PendingLane;
  readonly cursor: number;
  /** Records that begin before this are in the database. */
  readonly end: number;
}

export interface Slice {
  readonly group: Group;
  readonly stored: readonly Stored[];
}

export class Slices {
  readonly #pending: Pending;
  readonly #lmdb: LmdbStore;
  readonly #readBack: ReadBack;
  #appends: Append[] = [];
  #cursors: CursorMove[] = [];
  #rows: TableWrite[] = [];
  #deleted: readonly LaneKey[] = [];
  #stored: Stored[] = [];
  #bytes = 0;
  #writes = 0;

  constructor(pending: Pending, lmdb: LmdbStore, readBack: ReadBack) {
    this.#pending = pending;
    this.#lmdb = lmdb;
    this.#readBack = readBack;
  }

  /** All that the log holds before `head`. The last slice may be empty. */
  *before(head: number): Generator<Slice, Slice> {
    const { deleted, rows } = this.#pending.takeRows();
    this.#deleted = deleted;
    for (const lane of this.#pending.lanes()) {
      yield* this.#cursorOf(lane);
      yield* this.#recordsOf(lane, head);
    }
    for (const row of rows) {
      if (this.#isFull) yield this.#take();
      this.#rows.push(row);
      this.#count(row.key.length + (row.value?.length ?? 0));
    }
    return this.#take();
  }

  /** A cursor deletes what it has passed: after a long drain in several moves. */
  *#cursorOf(lane: PendingLane): Generator<Slice> {
    if (lane.cursor === -1) return;
    const { queue, priority } = lane;
    for (;;) {
      if (this.#isFull) yield this.#take();
      const passed = this.#lmdb.recordsBefore(lane, lane.cursor, SLICE_WRITES_MAX);
      const isLast = passed.length < SLICE_WRITES_MAX;
      const last = passed.at(-1);
      const offset = isLast || last === undefined ? lane.cursor : last.first + last.count;
      this.#cursors.push({ queue, priority, offset });
      this.#count(0, 1 + passed.length);
      if (!isLast) {
        yield this.#take();
        continue;
      }
      this.#stored.push({ lane, cursor: offset, end: 0 });
      return;
    }
  }

  *#recordsOf(lane: PendingLane, head: number): Generator<Slice> {
    for (let from = 0; ;) {
      if (this.#isFull) yield this.#take();
      const run = mergeable(lane.records.within(from, Infinity, SLICE_WRITES_MAX), head);
      if (run.length === 0) return;
      const append = this.#append(lane, run);
      from = append.first + append.count;
      this.#stored.push({ lane, cursor: -1, end: from });
    }
  }

  #append({ queue, priority }: PendingLane, run: readonly PendingRecord[]): Append {
    let [count, bytes] = [0, 0];
    for (const record of run) {
      count += record.count;
      bytes += record.bytes;
    }
    const data = Buffer.allocUnsafeSlow(bytes);
    let at = 0;
    for (const record of run) {
      this.#readBack(record, data.subarray(at, at + record.bytes));
      at += record.bytes;
    }
    const append = { queue, priority, first: run[0]!.first, count, bytes, data };
    this.#appends.push(append);
    this.#count(bytes);
    return append;
  }

  get #isFull(): boolean {
    return this.#bytes >= SLICE_BYTES_MAX || this.#writes >= SLICE_WRITES_MAX;
  }

  #count(bytes: number, writes = 1): void {
    this.#bytes += bytes;
    this.#writes += writes;
  }

  #take(): Slice {
    const group: Group = {
      appends: this.#appends,
      cursors: this.#cursors,
      rows: this.#rows,
      deletedLanes: this.#deleted,
      ...this.#pending.clocks,
    };
    const slice = { group, stored: this.#stored };
    this.#deleted = [];
    [this.#appends, this.#cursors, this.#rows, this.#stored] = [[], [], [], []];
    this.#bytes = this.#writes = 0;
    return slice;
  }
}

/** As many of the records as may be stored as one: they lie in one slab, and are in the log before `head`. */
function mergeable(records: readonly PendingRecord[], head: number): PendingRecord[] {
  const run: PendingRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    bytes += record.bytes;
    if (record.place >= head) break;
    if (run.length > 0 && (!record.isContinued || bytes > MERGED_BYTES_MAX)) break;
    run.push(record);
  }
  return run;
}
