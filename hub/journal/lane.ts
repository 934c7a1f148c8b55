/**
 * A lane: the entries of one (queue, priority), in order (J3). No object per message: the tail is a byte in a
 * slab, a run of entries is a byte range, a place is a `Position`.
 *
 *     settled        cursor          reader        persisted          tail
 *     on disk ───────┴─ in flight ───┴─ waiting ───┴─ not yet written ┘
 *
 * (`persisted` may lie anywhere from `cursor` on: WASM consumers read ahead of the disk, J10.)
 * Invariants: cursor <= reader <= tail; durable <= persisted; offsets only grow and are never reused.
 */
import { BATCH_BYTES_MAX, Block, ENTRY, FRAME, entryTotal } from "../../abi/index.ts";
import { Grace } from "./grace.ts";
import { Position, Slab, SLAB_BYTES, takeBlock } from "./slab.ts";
import type { Append, LaneKey, RecordRange } from "./store.ts";

/** Slabs a lane keeps in memory before it leaves the middle of its backlog to the disk: 4 MB. */
const RESIDENT_SLABS_MAX = 16;
/** Slabs kept in memory in front of the reader. */
const READ_AHEAD_SLABS = 2;

/** Fields of an entry that the endpoint decides, the same for a whole run. */
export interface EntryFields {
  readonly port: number;
  readonly deadline: number;
}

/** A run of entries to copy: bytes `[from, to)` of a block. */
export interface Run {
  readonly block: Block;
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export type LoadSlab = (lane: LaneKey, first: number, endOffset: number, into: Block) => void;

export class Lane implements LaneKey {
  readonly queue: number;
  readonly priority: number;
  readonly #load: LoadSlab;

  head: Slab;
  last: Slab;
  /** Handed to the consumer. */
  readonly reader: Position;
  /** First entry that is not settled. */
  readonly cursor: Position;
  /** Written, or in the group in flight, or never to be written because settled. */
  readonly persisted: Position;
  /** Flushed up to here: may be acknowledged and delivered outside. */
  durable: number;
  /** The cursor that is on disk. */
  durableCursor: number;
  /** Entries before this belong to a step that the next group must hold whole (J9). */
  pinned = 0;
  /** A WASM module works on it ahead of the flush, so that what it has in hand may wait (J4b). */
  deferrable = false;
  /** Bytes between cursor and tail. */
  bytes = 0;
  deleted = false;
  /** Nothing more is handed over until what is in flight is settled: the entries behind it are to be given up. */
  isHeld = false;
  dirty = false;
  readonly #grace = new Grace();
  #evictFrom: Slab;
  /** The slab last peeked at: a reader of a log asks for the same one page after page. */
  #peeked: { readonly first: number; readonly block: Block } | null = null;
  #residentSlabs = 0;

  constructor(key: LaneKey, start: number, load: LoadSlab) {
    this.queue = key.queue;
    this.priority = key.priority;
    this.#load = load;
    const slab = Slab.evicted(start); // no memory before the first entry: most lanes are idle
    this.head = this.last = this.#evictFrom = slab;
    this.reader = new Position(start, slab, 0);
    this.cursor = this.reader.copy();
    this.persisted = this.reader.copy();
    this.durable = this.durableCursor = start;
  }

  /** A lane as it was committed. Its entries stay on disk until the reader comes to them. */
  static recovered(key: LaneKey, cursor: number, records: readonly RecordRange[], load: LoadSlab): Lane {
    const start = records[0]?.first ?? cursor;
    if (start > cursor) {
      throw new Error(`lane ${key.queue}/${key.priority}: cursor at ${cursor}, first record at ${start}`);
    }
    const lane = new Lane(key, start, load);
    for (const record of records) lane.#adopt(record);
    const tail = Math.max(lane.tail, cursor);
    if (cursor >= lane.tail) return new Lane(key, tail, load);
    while (lane.cursor.offset < cursor) {
      lane.makeResident(lane.cursor);
      lane.bytes -= entryTotal(lane.cursor.slab.resident, lane.cursor.at);
      lane.cursor.step();
    }
    lane.cursor.settle();
    lane.reader.set(lane.cursor);
    lane.persisted.set(new Position(lane.tail, lane.last, lane.last.end));
    lane.durable = lane.tail;
    lane.durableCursor = cursor;
    return lane;
  }

  /** Takes over one committed record while recovering: into the last slab when it fits, else a new one. */
  #adopt(record: RecordRange): void {
    if (record.first !== this.tail) {
      throw new Error(
        `lane ${this.queue}/${this.priority}: record at ${record.first}, expected ${this.tail}`,
      );
    }
    if (this.last.count > 0 && this.last.end + record.bytes > SLAB_BYTES) {
      this.last = this.last.next = Slab.evicted(record.first);
    }
    this.last.count += record.count;
    this.last.end += record.bytes;
    this.bytes += record.bytes;
  }

  get tail(): number {
    return this.last.first + this.last.count;
  }

  get length(): number {
    return this.tail - this.cursor.offset;
  }

  tailPosition(): Position {
    return new Position(this.tail, this.last, this.last.end);
  }

  /** The slab that an entry of `bytes` will be written to, at its `end`. */
  room(bytes: number): Slab {
    const slab = this.last;
    if (slab.block !== null && slab.end + bytes <= slab.block.u8.length) return slab;
    const next = Slab.create(this.tail, bytes);
    this.last = slab.next = next;
    this.#residentSlabs++;
    return next;
  }

  /** The caller has written one entry at the end of the last slab; it now exists. */
  appended(end: number): void {
    const slab = this.last;
    this.bytes += end - slab.end;
    slab.end = end;
    slab.count++;
  }

  /** Entries up to here belong to a step with effects elsewhere, or with a cause inside: no grace for them. */
  pin(): void {
    this.pinned = this.tail;
  }

  /**
   * Appends entries that lie in another lane's slab, with new entry fields, and with the source and the hop
   * count of whoever passed them on. One copy for the whole run.
   */
  appendRun(run: Run, fields: EntryFields, sourceId: number): void {
    const bytes = run.to - run.from;
    if (bytes > BATCH_BYTES_MAX && run.count > 1) return this.#appendSplit(run, fields, sourceId);
    const slab = this.room(bytes);
    const block = slab.resident;
    let at = slab.end;
    run.block.u8.copy(block.u8, at, run.from, run.to);
    for (let i = 0; i < run.count; i++) {
      this.#writeFields(block, at, this.tail + i, fields);
      passOn(block, at + ENTRY.SIZE, sourceId);
      at += entryTotal(block, at);
    }
    slab.end = at;
    slab.count += run.count;
    this.bytes += bytes;
  }

  #appendSplit(run: Run, fields: EntryFields, sourceId: number): void {
    let from = run.from;
    for (let i = 0; i < run.count; i++) {
      const to = from + entryTotal(run.block, from);
      this.appendRun({ block: run.block, from, to, count: 1 }, fields, sourceId);
      from = to;
    }
  }

  /** Appends one frame `[from, to)` of a block, behind a new entry header. */
  appendFrame(block: Block, from: number, to: number, fields: EntryFields): void {
    const bytes = ENTRY.SIZE + to - from;
    const slab = this.room(bytes);
    const at = slab.end;
    block.u8.copy(slab.resident.u8, at + ENTRY.SIZE, from, to);
    slab.resident.u32[at >> 2] = bytes;
    this.#writeFields(slab.resident, at, this.tail, fields);
    this.appended(at + bytes);
  }

  #writeFields(block: Block, at: number, offset: number, fields: EntryFields): void {
    const { u32 } = block;
    const w = at >> 2;
    u32[w + 1] = 1; // RECORD.MESSAGE, no flags
    u32[w + 2] = ENTRY.SIZE | (fields.port << 16);
    u32[w + 3] = offset >>> 0;
    u32[w + 4] = Math.floor(offset / 4294967296);
    u32[w + 5] = this.priority;
    block.f64[(at + ENTRY.DEADLINE) >> 3] = fields.deadline;
  }

  /** Makes the bytes at a position readable: back from disk when they were left there. */
  makeResident(position: Position): Block {
    position.settle();
    const { slab } = position;
    if (slab.block === null) {
      const block = takeBlock(slab.end);
      this.#load(this, slab.first, slab.endOffset, block);
      slab.block = block;
      this.#residentSlabs++;
    }
    return slab.block;
  }

  /** A slab's bytes for reading now, without keeping them in memory when they are on disk. */
  peek(slab: Slab): Block {
    if (slab.block !== null) return slab.block;
    if (this.#peeked?.first !== slab.first) {
      const block = Block.allocate(slab.end);
      this.#load(this, slab.first, slab.endOffset, block);
      this.#peeked = { first: slab.first, block };
    }
    return this.#peeked.block;
  }

  /** Settles everything before `position`. */
  settleTo(position: Position): void {
    this.bytes -= this.#bytesBetween(this.cursor, position);
    this.cursor.set(position);
    if (this.reader.offset < position.offset) this.reader.set(position);
  }

  /** Bytes that no group holds yet. */
  get unwrittenBytes(): number {
    const from = this.cursor.offset > this.persisted.offset ? this.cursor : this.persisted;
    return from.offset < this.tail ? this.#bytesBetween(from, this.tailPosition()) : 0;
  }

  /** Bytes between cursor and reader: handed over, and not yet passed by the cursor. */
  get bytesInHand(): number {
    return this.cursor.offset < this.reader.offset ? this.#bytesBetween(this.cursor, this.reader) : 0;
  }

  /** The slab of an entry from the cursor on, which must be there. */
  slabOf(offset: number): Slab {
    let { slab } = this.cursor;
    while (slab.endOffset <= offset && slab.next !== null) slab = slab.next;
    return slab;
  }

  #bytesBetween(from: Position, to: Position): number {
    if (from.slab === to.slab) return to.at - from.at;
    let bytes = from.slab.end - from.at;
    for (let slab = from.slab.next; slab !== null && slab !== to.slab; slab = slab.next) bytes += slab.end;
    return bytes + to.at;
  }

  /** Settles the entry at the cursor, which must be in memory. */
  settleOne(): void {
    this.makeResident(this.cursor);
    const before = this.cursor.at;
    this.cursor.step();
    this.bytes -= this.cursor.at - before;
    if (this.reader.offset < this.cursor.offset) this.reader.set(this.cursor);
  }

  /** Everything handed out but not settled will be handed out again. */
  rewind(): void {
    this.reader.set(this.cursor);
    this.#evictFrom = this.cursor.slab; // what had been in hand may be left to the disk
  }

  /** Remembers where the tail was at `now`, for the grace. */
  mark(now: number): void {
    if (this.deferrable) this.#grace.mark(now, () => this.tailPosition(), this.tail, this.cursor.offset);
  }

  /**
   * How far the group that is sealed now reaches: to the tail, or, on a lane that a module works on, only
   * over what is pinned, settled, or older than the grace (J4b). Never behind `persisted`.
   */
  sealPosition(now: number, graceMs: number): Position {
    if (!this.deferrable || graceMs === 0) {
      this.#grace.end();
      return this.tailPosition();
    }
    const from = this.persisted.offset > this.cursor.offset ? this.persisted : this.cursor;
    const to = this.#grace.passed(from, this.cursor.offset, now, graceMs);
    return this.pinned > to.offset ? this.tailPosition() : to.copy();
  }

  /** How long the module's answers are worth waiting for, ms. */
  graceMs(leastMs: number): number {
    return this.#grace.learnt(leastMs);
  }

  /** When the grace of the first entry that waits for it ends; infinite where none does. */
  graceEndsAt(graceMs: number): number {
    return this.#grace.endsAt(graceMs);
  }

  /** Byte ranges between two positions, one per slab. */
  slices(from: Position, to: Position): Append[] {
    const out: Append[] = [];
    let { slab, at, offset } = from;
    while (offset < to.offset) {
      const isLast = slab === to.slab;
      const end = isLast ? to.at : slab.end;
      const until = isLast ? to.offset : slab.endOffset;
      if (until > offset) {
        const data = slab.resident.u8.subarray(at, end);
        const { queue, priority } = this;
        out.push({ queue, priority, first: offset, count: until - offset, bytes: end - at, data });
      }
      if (isLast || slab.next === null) break;
      offset = until;
      slab = slab.next;
      at = 0;
    }
    return out;
  }

  /** Gives back slabs before the cursor. Those that a commit in flight may read are not durable yet, and stay. */
  recycle(): void {
    this.cursor.settle();
    this.reader.settle();
    this.persisted.settle();
    while (
      this.head !== this.last &&
      this.head.endOffset <= this.cursor.offset &&
      this.head.endOffset <= this.durable &&
      !this.#isReferred(this.head)
    ) {
      const slab = this.head;
      if (slab.next === null) break;
      this.head = slab.next;
      if (this.#evictFrom === slab) this.#evictFrom = this.head;
      if (slab.block !== null) this.#residentSlabs--;
      slab.release();
    }
    const isDrained =
      this.tail === this.cursor.offset && this.tail === this.persisted.offset && this.tail <= this.durable;
    if (isDrained && this.last.block !== null) this.#empty();
    if (this.#residentSlabs > RESIDENT_SLABS_MAX) this.#evict();
  }

  /** An idle lane keeps no memory. */
  #empty(): void {
    this.#grace.end();
    const slab = Slab.evicted(this.tail);
    for (const position of [this.cursor, this.reader, this.persisted])
      position.set(new Position(this.tail, slab, 0));
    this.last.release();
    this.#residentSlabs--;
    this.head = this.last = this.#evictFrom = slab;
  }

  #isReferred(slab: Slab): boolean {
    return (
      this.cursor.slab === slab ||
      this.reader.slab === slab ||
      this.persisted.slab === slab ||
      this.#grace.first?.slab === slab
    );
  }

  /** Leaves durable slabs well ahead of the reader to the disk. Nothing points into them. */
  #evict(): void {
    let slab: Slab | null = this.#evictFrom;
    if (slab.first <= this.reader.offset) {
      slab = this.reader.slab;
      for (let i = 0; i <= READ_AHEAD_SLABS && slab !== null; i++) slab = slab.next;
    }
    while (slab !== null && slab !== this.last && slab.endOffset <= this.durable) {
      if (slab === this.persisted.slab || this.#grace.first?.slab === slab) break;
      if (this.#residentSlabs <= RESIDENT_SLABS_MAX) break;
      if (slab.block !== null) {
        slab.release();
        this.#residentSlabs--;
      }
      slab = slab.next;
    }
    if (slab !== null) this.#evictFrom = slab;
  }
}

/** A frame that a module passed on: one hop more, and now the module's own output. */
function passOn(block: Block, frame: number, sourceId: number): void {
  block.u8[frame + FRAME.HOPS]!++;
  block.u32[(frame + FRAME.SOURCE) >> 2] = sourceId;
}
