/**
 * The store that hubs run on: a redo log in front of LMDB (J33, J34). A group is durable when its record is in the
 * log, which is one flush; from time to time what the log holds, and is not settled by then, is brought into the
 * database (`checkpointer.ts`). Both together are the store: whoever reads sees no seam between them.
 */
import type { StoreSpace } from "../compaction.ts";
import { LmdbStore, type LogMark } from "../lmdb-store.ts";
import {
  emptyGroup,
  storeCorrupt,
  type Compaction,
  type Group,
  type LaneKey,
  type RecordRange,
  type Recovered,
  type RecoveredLane,
  type Store,
  type StoreEvents,
  type StoreWritten,
  type TableWrite,
} from "../store.ts";
import { Checkpointer } from "./checkpointer.ts";
import { LogFile } from "./log-file.ts";
import { Pending, type Ahead, type PendingRecord } from "./pending.ts";
import { encodeRecord, sizeOf, wholeBlocks } from "./record.ts";
import { readLog, type LogTail } from "./recovery.ts";
import { Ring } from "./ring.ts";

/** Share of the log that is left to settles and commands while the store catches up (J19). */
const RESERVED_SHARE = 1 / 4;
/** A checkpoint at the latest when this share of the log is in use. */
const CHECKPOINT_SHARE = 1 / 2;
/** While the disk is short of room, what is deleted is to give it back soon. */
const SHORT_CHECKPOINT_MS = 1_000;
const FIRST_BUFFER_BYTES = 256 * 1024;

export interface RedoOptions {
  /** A checkpoint when the log has gathered this much. */
  readonly checkpointBytes: number;
  /** A checkpoint so long after the first group since the one before. */
  readonly checkpointMs: number;
}

/** What opening a store found in its log. */
export interface RedoRecovery {
  /** Groups that the database did not have. */
  readonly groups: number;
  /** A record was cut off while it was written, and is left out: it was never acknowledged (J35). */
  readonly isTorn: boolean;
}

export class RedoStore implements Store {
  readonly recovery: RedoRecovery;
  readonly #lmdb: LmdbStore;
  readonly #log: LogFile;
  readonly #options: RedoOptions;
  readonly #ring: Ring;
  readonly #pending: Pending;
  readonly #checkpointer: Checkpointer;
  readonly #lastRecord: LogTail["last"];
  #base: Recovered | null;
  #buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  /** The last group that is durable in the log, and where the record after it may begin. */
  #durable: { readonly seq: number; readonly head: number };
  /** How far the database is. */
  #stored: number;
  #events: StoreEvents | null = null;
  #failure: Error | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isShort = false;
  #wasCrowded = false;
  #logBytes = 0;
  #logFlushes = 0;
  #stalls = 0;

  /**
   * Reads the log, from where the database's mark has it. `ready()` must follow.
   * @param lmdb just opened, with a mark of this log, and what it was loaded with
   * @throws SP_STORE_CORRUPT
   */
  constructor(lmdb: LmdbStore, base: Recovered, log: LogFile, mark: LogMark, options: RedoOptions) {
    this.#lmdb = lmdb;
    this.#log = log;
    this.#options = options;
    this.#base = base;
    this.#pending = new Pending({ poweredMs: base.poweredMs, wallMs: base.wallMs });
    const ahead = new LaneEnds(base);
    const tail = readLog(log, mark, (group, place) => {
      for (const key of group.deletedLanes) ahead.delete(key);
      this.#pending.replay(group, place + group.dataAt, ahead);
    });
    this.#lastRecord = tail.last;
    this.recovery = { groups: tail.seq - mark.seq, isTorn: tail.isTorn };
    this.#durable = { seq: tail.seq, head: tail.head };
    this.#stored = mark.head;
    this.#ring = new Ring(log.ringBytes, mark.head, tail.head);
    this.#checkpointer = new Checkpointer({
      lmdb,
      pending: this.#pending,
      readBack: (record, into) => this.#readBack(record, into),
      mark: () => ({ epoch: log.epoch, ...this.#durable }),
      onDone: ({ head }) => this.#checkpointed(head),
      onStuckChanged: () => this.#events?.onRoomChanged(),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** What the log was to have, as configured when it was made. */
  get askedBytes(): number {
    return this.#log.askedBytes;
  }

  /**
   * Writes the last record again. If the gateway ended because that very write failed, only the page cache
   * vouches for it: a flush that failed is never asked for twice, so it is written anew (J17).
   */
  async ready(): Promise<void> {
    if (this.#lastRecord !== null) await this.#write(this.#lastRecord.raw, this.#lastRecord.place);
  }

  /** From here on there are checkpoints: whoever loads has loaded. */
  observe(events: StoreEvents): void {
    this.#events = events;
    this.#scheduleCheckpoint();
  }

  /** What the database and the log hold together. Once. */
  load(): Recovered {
    const base = this.#base;
    if (base === null) throw new Error("redo store: loaded twice");
    this.#base = null;
    return { lanes: this.#lanes(base), rows: this.#rows(base), ...this.#pending.clocks };
  }

  #lanes(base: Recovered): RecoveredLane[] {
    const lanes = new Map<string, RecoveredLane>();
    for (const lane of base.lanes) {
      if (!this.#pending.isDeleted(lane)) lanes.set(nameOf(lane), lane);
    }
    for (const lane of this.#pending.lanes()) {
      const stored = lanes.get(nameOf(lane));
      const cursor = Math.max(lane.cursor, stored?.cursor ?? 0);
      const waiting = (stored?.records ?? []).filter(({ first, count }) => first + count > cursor);
      const { queue, priority } = lane;
      const records = [...waiting, ...lane.records.within(0, Infinity)];
      lanes.set(nameOf(lane), { queue, priority, cursor, records });
    }
    return [...lanes.values()];
  }

  *#rows(base: Recovered): Generator<TableWrite> {
    for (const row of base.rows) {
      if (this.#pending.row(row.key.toString("latin1")) === undefined) yield row;
    }
    for (const row of this.#pending.rows()) if (row.value !== null) yield row;
  }

  async commit(group: Group): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const { bytes, dataAt } = sizeOf(group);
    const whole = wholeBlocks(bytes);
    if (whole > this.#ring.bytes) return this.#commitDirectly(group);
    const place = await this.#takeRoom(whole);
    if (this.#buffer.length < whole) this.#buffer = Buffer.allocUnsafeSlow(2 * whole);
    const seq = this.#durable.seq + 1;
    encodeRecord(this.#buffer, group, this.#log.epoch, seq);
    await this.#write(this.#buffer.subarray(0, whole), place);
    this.#durable = { seq, head: place + whole };
    this.#pending.apply(group, place + dataAt);
    this.#scheduleCheckpoint();
  }

  /** When the log is full, whoever wants to commit waits for the checkpoint. */
  async #takeRoom(bytes: number): Promise<number> {
    for (;;) {
      const place = this.#ring.take(bytes);
      if (place !== null) return place;
      this.#stalls++;
      await this.#checkpointer.run();
    }
  }

  /** A group that the whole log could not hold goes into the database, after everything before it (J9). */
  async #commitDirectly(group: Group): Promise<void> {
    while (this.#stored !== this.#durable.head) await this.#checkpointer.run();
    await this.#checkpointer.without(async () => {
      const next = { seq: this.#durable.seq + 1, head: this.#durable.head };
      await this.#lmdb.commit(group, { epoch: this.#log.epoch, ...next });
      this.#durable = next;
    });
  }

  async #write(record: Buffer, place: number): Promise<void> {
    try {
      await this.#log.write(record, record.length, place);
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
    this.#logBytes += record.length;
    this.#logFlushes++;
  }

  #scheduleCheckpoint(): void {
    if (this.#failure !== null) return;
    const { used, bytes } = this.#ring;
    this.#wasCrowded ||= this.isCrowded;
    if (used >= Math.min(this.#options.checkpointBytes, bytes * CHECKPOINT_SHARE)) this.#startCheckpoint();
    else if (used > 0) this.#armTimer(this.#isShort ? SHORT_CHECKPOINT_MS : this.#options.checkpointMs);
  }

  #armTimer(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#startCheckpoint();
    }, ms).unref();
  }

  #disarmTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #startCheckpoint(): void {
    if (this.#checkpointer.isRunning || this.#failure !== null || this.#stored === this.#durable.head) return;
    this.#disarmTimer();
    this.#checkpointer.run().catch(() => undefined); // `onFailure` has it
  }

  #checkpointed(head: number): void {
    this.#stored = head;
    this.#ring.release(head);
    if (this.#wasCrowded && !this.isCrowded) {
      this.#wasCrowded = false;
      this.#events?.onRoomChanged();
    }
    setImmediate(() => this.#scheduleCheckpoint());
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#disarmTimer();
    this.#events?.onFailure(error);
  }

  get isStuck(): boolean {
    return this.#checkpointer.isStuck;
  }

  get isCrowded(): boolean {
    return this.#ring.used > this.#ring.bytes * (1 - RESERVED_SHARE);
  }

  /** The log has its room already: only what goes straight to the database can find none. */
  isFull(): boolean {
    return this.#failure === null && this.#lmdb.isFull();
  }

  freeReserve(): void {
    this.#lmdb.freeReserve();
  }

  restoreReserve(): boolean {
    const hasRoom = !this.isStuck && this.#lmdb.restoreReserve();
    if (!hasRoom && !this.#isShort) this.#disarmTimer();
    this.#isShort = !hasRoom;
    if (this.#events !== null) this.#scheduleCheckpoint();
    return hasRoom;
  }

  get transactions(): number {
    return this.#lmdb.transactions;
  }

  /** Commits go on into the log meanwhile. */
  get space(): StoreSpace {
    return { ...this.#lmdb.space, holdsCommits: false };
  }

  compact(): Promise<Compaction> {
    return this.withDatabase((lmdb) => lmdb.compact());
  }

  get written(): StoreWritten {
    const { checkpointBytes, flushes } = this.#lmdb.written;
    return {
      logBytes: this.#logBytes,
      checkpointBytes,
      flushes: this.#logFlushes + flushes,
      checkpoints: this.#checkpointer.done,
    };
  }

  /** How often a commit had to wait for a checkpoint, because the log was full. */
  get stalls(): number {
    return this.#stalls;
  }

  get liveBytes(): number {
    return this.#lmdb.liveBytes + this.#pending.bytes;
  }

  read(lane: LaneKey, record: RecordRange): Uint8Array {
    const found = this.#pending.find(lane)?.records.at(record.first);
    if (found === undefined || found.bytes !== record.bytes) return this.#lmdb.read(lane, record);
    const bytes = Buffer.allocUnsafeSlow(found.bytes);
    this.#readBack(found, bytes);
    return bytes;
  }

  records(lane: LaneKey, from: number, to: number): RecordRange[] {
    const pending = this.#pending.find(lane)?.records.within(Math.max(from, this.#lmdb.endOf(lane)), to);
    return [...this.#lmdb.records(lane, from, to), ...(pending ?? [])];
  }

  #readBack({ place, bytes }: PendingRecord, into: Buffer): void {
    if (this.#log.read(into, place) === bytes) return;
    throw storeCorrupt(`"${this.#log.path}": cut off at place ${place}`, { path: this.#log.path, place });
  }

  /** Runs `work` on the database while no checkpoint does; commits go on into the log. */
  async withDatabase<T>(work: (lmdb: LmdbStore) => Promise<T>): Promise<T> {
    await this.#checkpointer.run();
    return this.#checkpointer.without(() => work(this.#lmdb));
  }

  /** Brings everything into the database, and takes the log away. `false`: the disk has no room for that. */
  async retire(): Promise<boolean> {
    this.#lmdb.freeReserve();
    await this.#checkpointer.last();
    if (this.#stored !== this.#durable.head) return false;
    await this.#lmdb.commit(emptyGroup(this.#pending.clocks), { epoch: 0, seq: 0, head: 0 });
    this.#log.remove();
    return true;
  }

  async close(): Promise<void> {
    this.#disarmTimer();
    try {
      if (this.#failure === null && this.#stored !== this.#durable.head) await this.#checkpointer.last();
    } finally {
      this.#disarmTimer();
      this.#log.close();
      await this.#lmdb.close();
    }
  }
}

/** How far the database is with each lane. */
class LaneEnds implements Ahead {
  readonly #ends = new Map<string, { readonly cursor: number; readonly end: number }>();

  constructor({ lanes }: Recovered) {
    for (const lane of lanes) {
      const last = lane.records.at(-1);
      const end = last === undefined ? 0 : last.first + last.count;
      this.#ends.set(nameOf(lane), { cursor: lane.cursor, end });
    }
  }

  cursorOf(lane: LaneKey): number {
    return this.#ends.get(nameOf(lane))?.cursor ?? -1;
  }

  endOf(lane: LaneKey): number {
    return this.#ends.get(nameOf(lane))?.end ?? 0;
  }

  /** It is deleted: what comes after has nothing to do with what was before. */
  delete(lane: LaneKey): void {
    this.#ends.delete(nameOf(lane));
  }
}

const nameOf = (key: LaneKey): string => `${key.queue}/${key.priority}`;
