/**
 * The durable store: one LMDB environment, opened by the hub thread alone (J11).
 *
 *     0 | name u8                                                                    ->  format, powered and wall time,
 *                                                                                        place in the redo log
 *     1 | queue u32 | priority u8                                                    ->  cursor f64
 *     2 | table u8 | key                                                             ->  a row
 *     3 | queue u32 | priority u8 | first u48 | count u32 | bytes u32 (big endian)   ->  entries
 *
 * One tree, because each tree costs a commit pages of its own. A record's key says all that recovery needs, so
 * that opening a store never reads a body. All writes of a group are issued in one turn, which lmdb puts into
 * one transaction; with `overlappingSync: false` a write's promise resolves when that is flushed (J7).
 */
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SandpiperError } from "../../abi/index.ts";
import type { StoreSpace } from "./compaction.ts";
import { FORMAT_KEY, FORMAT_VALUE, migrate } from "./format.ts";
import { LmdbEnvironment, type Database } from "./lmdb-environment.ts";
import { isDamage, namesDamage } from "./lmdb-fault.ts";
import { RecordIndex } from "./record-index.ts";
import {
  storeCorrupt,
  type Compaction,
  type Group,
  type LaneKey,
  type RecordRange,
  type Recovered,
  type RecoveredLane,
  type Store,
  type StoreWritten,
  type TableWrite,
} from "./store.ts";

/** Zero-filled file that is freed when the disk is full, so that what must still be written fits (J19). */
const RESERVE_BYTES = 8 * 1024 * 1024;
const ZEROS_BYTES = 64 * 1024;
/** A disk this small has no room for a reserve. */
const SMALL_DISK_BYTES = 32 * 1024 * 1024;
/** Less than this left on the disk means that a failed commit failed for want of room. */
const FULL_BELOW_BYTES = 1024 * 1024;
/** Powered time is written with a group, but not more often than this: it would cost each one a page. */
const POWERED_EVERY_MS = 1_000;

const KIND = { META: 0, CURSOR: 1, ROW: 2, RECORD: 3 } as const;
const POWERED_KEY = Buffer.from([KIND.META, 1]);
const MARK_KEY = Buffer.from([KIND.META, 2]);
const CURSOR_KEY_BYTES = 6;
const RECORD_KEY_BYTES = 20;

/** How far the redo log in front of this store has been brought into it: part of the transaction that did (J34). */
export interface LogMark {
  /** Of the log that is in use; 0 = none is, and a log file that is there is an empty shell. */
  readonly epoch: number;
  /** The last group that this store holds. */
  readonly seq: number;
  /** Where the record after it begins. */
  readonly head: number;
}

export class LmdbStore implements Store {
  readonly #dir: string;
  readonly #environment: LmdbEnvironment;
  readonly #reserveBytes: number;
  readonly isStuck = false;
  readonly isCrowded = false;
  transactions = 0;
  #bytesPut = 0;
  #poweredWritten = -Infinity;
  /** Records on disk per lane, in offset order; those before `head` are gone. */
  readonly #index = new Map<string, RecordIndex>();

  /** @throws {SandpiperError} SP_STORE_OPEN, SP_STORE_CORRUPT */
  constructor(dir: string) {
    this.#dir = dir;
    this.#environment = new LmdbEnvironment(dir);
    const { blocks, bsize } = statfsSync(dir);
    this.#reserveBytes = blocks * bsize < SMALL_DISK_BYTES ? 0 : RESERVE_BYTES;
  }

  /** A commit's own outcome says all there is to say. */
  observe(): void {}

  get #db(): Database {
    return this.#environment.db;
  }

  /** @throws {SandpiperError} SP_STORE_CORRUPT, SP_STORE_FORMAT, SP_STORE_OPEN */
  load(): Recovered {
    try {
      migrate(this.#db, this.#dir);
      return this.#load();
    } catch (cause) {
      if (cause instanceof SandpiperError) throw cause;
      if (!isDamage(cause)) throw storeUnreadable(this.#dir, cause as Error);
      throw storeCorrupt(
        `a page, a key or a cursor is damaged: ${(cause as Error).message}`,
        { dir: this.#dir },
        cause,
      );
    }
  }

  #load(): Recovered {
    const lanes = new Map<string, RecoveredLane & { cursor: number; records: RecordRange[] }>();
    const lane = (key: Buffer) => {
      const at = { queue: key.readUInt32BE(1), priority: key[5]! };
      let found = lanes.get(nameOf(at));
      if (found === undefined) lanes.set(nameOf(at), (found = { ...at, cursor: 0, records: [] }));
      return found;
    };
    const rows: TableWrite[] = [];
    for (const { key, value } of this.#db.getRange(kindRange(KIND.CURSOR)))
      lane(key).cursor = value.readDoubleLE(0);
    for (const { key, value } of this.#db.getRange(kindRange(KIND.ROW))) {
      rows.push({ key: Buffer.from(key.subarray(1)), value: Buffer.from(value) });
    }
    for (const key of this.#db.getKeys(kindRange(KIND.RECORD))) lane(key).records.push(decodeRecordKey(key));
    for (const found of lanes.values()) this.#index.set(nameOf(found), new RecordIndex([...found.records]));
    const clocks = this.#db.get(POWERED_KEY);
    const poweredMs = clocks?.readDoubleLE(0) ?? 0;
    // Stores of the first version have no wall time.
    const wallMs = clocks !== undefined && clocks.length >= 16 ? clocks.readDoubleLE(8) : 0;
    return { lanes: [...lanes.values()], rows, poweredMs, wallMs };
  }

  /** `null`: there was never a redo log in front of this store. */
  get mark(): LogMark | null {
    const value = this.#db.get(MARK_KEY);
    if (value === undefined) return null;
    return { epoch: value.readUInt32LE(0), seq: value.readDoubleLE(4), head: value.readDoubleLE(12) };
  }

  /** @param mark of the redo log in front of this store, when the group brings it on */
  commit(group: Group, mark: LogMark | null = null): Promise<void> {
    return this.#environment.exclusively(() => this.#commit(group, mark));
  }

  async #commit(group: Group, mark: LogMark | null): Promise<void> {
    const writes: Promise<boolean>[] = [];
    const put = (key: Buffer, value: Buffer): void => {
      this.#bytesPut += key.length + value.length;
      writes.push(this.#db.put(key, value));
    };
    const remove = (key: Buffer): unknown => writes.push(this.#db.remove(key));
    const drops = group.cursors.map((move) => ({ move, keys: this.#recordKeys(move, move.offset) }));
    for (const key of group.deletedLanes) {
      this.#recordKeys(key, Infinity).forEach(remove);
      remove(cursorKey(key));
    }
    for (const { move, keys } of drops) {
      keys.forEach(remove);
      put(cursorKey(move), float(move.offset));
    }
    for (const append of group.appends) put(recordKey(append, append), append.data as Buffer);
    for (const { key, value } of group.rows) {
      const row = Buffer.concat([ROW_PREFIX, key]);
      if (value === null) remove(row);
      else put(row, value);
    }
    const writesPowered = mark !== null || group.poweredMs - this.#poweredWritten >= POWERED_EVERY_MS;
    if (writesPowered) {
      put(POWERED_KEY, Buffer.concat([float(group.poweredMs), float(group.wallMs)]));
      put(FORMAT_KEY, FORMAT_VALUE);
    }
    if (mark !== null) put(MARK_KEY, markValue(mark));
    await settleAll(writes).catch((cause: unknown) => {
      if (!namesDamage(cause)) throw cause;
      throw storeCorrupt(`a page is damaged: ${(cause as Error).message}`, { dir: this.#dir }, cause);
    });
    this.transactions++;
    if (writesPowered) this.#poweredWritten = group.poweredMs;
    this.#apply(group, drops);
  }

  /** Only what has been committed counts as stored, so that a failed group can be tried again whole. */
  #apply(group: Group, drops: readonly { readonly move: LaneKey; readonly keys: readonly Buffer[] }[]): void {
    for (const key of group.deletedLanes) this.#index.delete(nameOf(key));
    for (const { move, keys } of drops) this.#indexOf(move).drop(keys.length);
    for (const append of group.appends) {
      this.#indexOf(append).push({ first: append.first, count: append.count, bytes: append.bytes });
    }
  }

  #recordKeys(lane: LaneKey, before: number): Buffer[] {
    return this.#indexOf(lane)
      .endingBy(before)
      .map((record) => recordKey(lane, record));
  }

  #indexOf(lane: LaneKey): RecordIndex {
    const name = nameOf(lane);
    let index = this.#index.get(name);
    if (index === undefined) this.#index.set(name, (index = new RecordIndex()));
    return index;
  }

  /** lmdb reports a full disk and a broken one alike; the file system knows which it was. */
  isFull(): boolean {
    return this.#diskFreeBytes() < FULL_BELOW_BYTES;
  }

  #diskFreeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#dir);
    return bavail * bsize;
  }

  freeReserve(): void {
    rmSync(this.#reservePath, { force: true });
  }

  restoreReserve(): boolean {
    if (this.#reserveBytes === 0) return this.#diskFreeBytes() >= 2 * FULL_BELOW_BYTES;
    if (statSync(this.#reservePath, { throwIfNoEntry: false })?.size === this.#reserveBytes) return true;
    if (this.#diskFreeBytes() < 2 * this.#reserveBytes) return false;
    try {
      writeZeros(this.#reservePath, this.#reserveBytes);
      return true;
    } catch {
      this.freeReserve(); // somebody else took the room meanwhile
      return false;
    }
  }

  get liveBytes(): number {
    let bytes = 0;
    for (const index of this.#index.values()) bytes += index.bytes;
    return bytes;
  }

  /** Without what the tree itself takes. A transaction is two flushes: its pages, then the one that names them. */
  get written(): StoreWritten {
    return { logBytes: 0, checkpointBytes: this.#bytesPut, flushes: 2 * this.transactions, checkpoints: 0 };
  }

  get #reservePath(): string {
    return join(this.#dir, "reserve");
  }

  read(lane: LaneKey, record: RecordRange): Uint8Array {
    const value = this.#db.get(recordKey(lane, record));
    if (value === undefined || value.length !== record.bytes) {
      const { first } = record;
      throw storeCorrupt(`lane ${nameOf(lane)}: record at ${first} is missing or cut short`, {
        ...lane,
        first,
      });
    }
    return value;
  }

  records(lane: LaneKey, from: number, to: number): RecordRange[] {
    return this.#indexOf(lane).within(from, to);
  }

  /** Records of a lane that end at or before an offset: what a cursor moved there would delete. */
  recordsBefore(lane: LaneKey, offset: number, countMax: number): RecordRange[] {
    return this.#indexOf(lane).endingBy(offset, countMax);
  }

  /** First offset after a lane's last record. */
  endOf(lane: LaneKey): number {
    return this.#index.get(nameOf(lane))?.endOffset ?? 0;
  }

  get space(): StoreSpace {
    return this.#environment.space;
  }

  compact(): Promise<Compaction> {
    return this.#environment.compact();
  }

  close(): Promise<void> {
    return this.#environment.close();
  }
}

/**
 * Waits for all writes of one transaction. When it fails, every one of them rejects, and so does the promise
 * by which lmdb says why; each rejection is taken here, so that none is left to end the thread (J15).
 */
async function settleAll(writes: readonly Promise<boolean>[]): Promise<void> {
  const outcomes = await Promise.allSettled(writes);
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed === undefined) return;
  const reason = failed.reason as Error & { readonly commitError?: Promise<never> };
  await reason.commitError; // rejects with the cause
  throw reason;
}

/** In pieces: a buffer of the file's size would stay in memory until it is collected. */
function writeZeros(path: string, bytes: number): void {
  const piece = Buffer.alloc(ZEROS_BYTES);
  const file = openSync(path, "w", 0o600);
  try {
    for (let at = 0; at < bytes; at += ZEROS_BYTES)
      writeSync(file, piece, 0, Math.min(ZEROS_BYTES, bytes - at));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function storeUnreadable(dir: string, cause: Error): SandpiperError {
  return new SandpiperError("SP_STORE_OPEN", `store: cannot read "${dir}": ${cause.message}`, {
    cause,
    details: { dir },
    hint: "look at the disk of the store, and at how much memory the gateway may use",
  });
}

const nameOf = (key: LaneKey): string => `${key.queue}/${key.priority}`;

const ROW_PREFIX = Buffer.from([KIND.ROW]);
const kindRange = (kind: number) => ({ start: Buffer.from([kind]), end: Buffer.from([kind + 1]) });

function cursorKey({ queue, priority }: LaneKey): Buffer {
  const key = Buffer.allocUnsafe(CURSOR_KEY_BYTES);
  key[0] = KIND.CURSOR;
  key.writeUInt32BE(queue, 1);
  key[5] = priority;
  return key;
}

function recordKey({ queue, priority }: LaneKey, { first, count, bytes }: RecordRange): Buffer {
  const key = Buffer.allocUnsafe(RECORD_KEY_BYTES);
  key[0] = KIND.RECORD;
  key.writeUInt32BE(queue, 1);
  key[5] = priority;
  key.writeUIntBE(first, 6, 6);
  key.writeUInt32BE(count, 12);
  key.writeUInt32BE(bytes, 16);
  return key;
}

const decodeRecordKey = (key: Buffer): RecordRange => ({
  first: key.readUIntBE(6, 6),
  count: key.readUInt32BE(12),
  bytes: key.readUInt32BE(16),
});

function markValue({ epoch, seq, head }: LogMark): Buffer {
  const bytes = Buffer.allocUnsafe(20);
  bytes.writeUInt32LE(epoch, 0);
  bytes.writeDoubleLE(seq, 4);
  bytes.writeDoubleLE(head, 12);
  return bytes;
}

function float(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(value);
  return bytes;
}
