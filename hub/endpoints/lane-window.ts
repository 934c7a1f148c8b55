/**
 * One lane as a consumer on the network has it in hand: a state and a count of attempts for each entry from
 * the cursor on, at most `WINDOW` of them (J23). The cursor stands at the first that is not settled.
 *
 *     cursor = base                              reader
 *     ├─ sent ─ settled ─ returned ─ sent ───────┤ never handed over ─▶
 *
 * Entries in hand stay in memory, so that one that came back can be sent again at once.
 */
import { entryTotal, type Block } from "../../abi/index.ts";
import type { Lane } from "../journal/lane.ts";
import { laneRow, TABLE, type Tables } from "../journal/tables.ts";
import {
  ATTEMPTS_MAX,
  decodeDeliveries,
  encodeDeliveries,
  NO_SLOT,
  SETTLED_EARLY,
  WINDOW,
} from "./delivery-row.ts";

/** Of an entry. `received`: the consumer has it, and has still to settle it. */
export const STATE = { PENDING: 0, SENT: 1, RECEIVED: 2, SETTLED: 3 } as const;

export class LaneWindow {
  readonly lane: Lane;
  /** Which of the consumer's lanes it is, for its sequence numbers; `NO_SLOT` until it needs one. */
  slot: number;
  /** Entries that are sent or received. */
  inFlight = 0;
  /** Something may differ from the row. */
  isChanged = false;
  /** Of the entry that `next` chose. */
  block!: Block;
  at = 0;
  isReturned = false;

  readonly #tables: Tables;
  /** By offset modulo `WINDOW`. */
  readonly #states = new Uint8Array(WINDOW);
  readonly #attempts = new Uint8Array(WINDOW);
  /** Where entries that were read begin in their slabs. */
  readonly #places = new Uint32Array(WINDOW);
  /** The lane's cursor, as far as this knows. */
  #base: number;
  /** Entries before the reader that are pending again; none lies before `#returnedFrom`. */
  #returned = 0;
  #returnedFrom = 0;

  /** Takes the lane over: everything that is not settled will be handed over from here on. */
  constructor(lane: Lane, tables: Tables) {
    this.lane = lane;
    this.#tables = tables;
    lane.rewind();
    this.#base = lane.cursor.offset;
    const { slot, base, entries } = decodeDeliveries(tables.get(TABLE.DELIVERIES, laneRow(lane)));
    this.slot = slot;
    for (let i = 0; i < entries.length; i++) {
      const offset = base + i;
      if (offset < this.#base || offset >= this.#base + WINDOW) continue;
      if (entries[i] === SETTLED_EARLY) this.#states[offset % WINDOW] = STATE.SETTLED;
      else this.#attempts[offset % WINDOW] = entries[i]!;
    }
  }

  get base(): number {
    return this.#base;
  }

  attemptOf(offset: number): number {
    return this.#attempts[offset % WINDOW]!;
  }

  isInFlight(offset: number): boolean {
    if (offset < this.#base || offset >= this.lane.reader.offset) return false;
    const state = this.#states[offset % WINDOW]!;
    return state === STATE.SENT || state === STATE.RECEIVED;
  }

  /** Others may have moved the cursor: what expired with nothing in hand, or was dropped, is ours no more. */
  follow(): void {
    const { cursor, reader } = this.lane;
    if (cursor.offset === this.#base) return;
    const passed = Math.min(WINDOW, cursor.offset - this.#base);
    for (let i = 0; i < passed; i++) this.#clear(this.#base + i);
    this.#base = this.#returnedFrom = cursor.offset;
    this.inFlight = this.#returned = 0;
    for (let offset = this.#base; offset < reader.offset; offset++) {
      if (this.isInFlight(offset)) this.inFlight++;
      else if (this.#states[offset % WINDOW] === STATE.PENDING) this.#returned++;
    }
  }

  #clear(offset: number): void {
    this.#states[offset % WINDOW] = STATE.PENDING;
    this.#attempts[offset % WINDOW] = 0;
  }

  /**
   * Chooses what to hand over next and makes it readable at `block`, `at`: what came back before what was
   * never sent. Returns its offset, or -1 when there is nothing, or the window is full.
   */
  next(): number {
    if (this.#returned > 0) return this.#nextReturned();
    const { lane } = this;
    const { reader } = lane;
    const end = Math.min(lane.durable, lane.tail, this.#base + WINDOW);
    // A lane that has to give entries up waits for what is in hand: nothing new is taken.
    while (reader.offset < end && !lane.isHeld) {
      this.block = lane.makeResident(reader);
      if (this.#states[reader.offset % WINDOW] !== STATE.SETTLED) {
        this.at = reader.at;
        this.isReturned = false;
        return reader.offset;
      }
      this.#readOver();
      this.#advance();
    }
    return -1;
  }

  #nextReturned(): number {
    let offset = Math.max(this.#returnedFrom, this.#base);
    while (this.#states[offset % WINDOW] !== STATE.PENDING) offset++;
    this.#returnedFrom = offset;
    this.block = this.lane.slabOf(offset).resident;
    this.at = this.#places[offset % WINDOW]!;
    this.isReturned = true;
    return offset;
  }

  /** Entries wait that may be handed over as soon as some in hand are settled. */
  get isAtEdge(): boolean {
    const { reader, durable, tail } = this.lane;
    return reader.offset >= this.#base + WINDOW && reader.offset < Math.min(durable, tail);
  }

  /** The entry that `next` chose is on its way. */
  sent(offset: number): void {
    this.#take();
    this.#states[offset % WINDOW] = STATE.SENT;
    this.inFlight++;
  }

  /** The entry that `next` chose needs no delivery, or none that would be settled. */
  passOver(offset: number): void {
    this.#take();
    this.#states[offset % WINDOW] = STATE.SETTLED;
    this.#advance();
  }

  #take(): void {
    if (this.isReturned) this.#returned--;
    else this.#readOver();
  }

  #readOver(): void {
    const { reader } = this.lane;
    this.#places[reader.offset % WINDOW] = reader.at;
    reader.at += entryTotal(this.block, reader.at);
    reader.offset++;
  }

  received(offset: number): void {
    this.#states[offset % WINDOW] = STATE.RECEIVED;
  }

  settle(offset: number): void {
    this.#states[offset % WINDOW] = STATE.SETTLED;
    this.inFlight--;
    if (offset === this.#base) this.#advance();
  }

  /** It comes back: pending, with one attempt more. */
  giveBack(offset: number): void {
    const at = offset % WINDOW;
    this.#states[at] = STATE.PENDING;
    this.#attempts[at] = Math.min(ATTEMPTS_MAX, this.#attempts[at]! + 1);
    this.inFlight--;
    this.#returnedFrom = this.#returned === 0 ? offset : Math.min(this.#returnedFrom, offset);
    this.#returned++;
  }

  /** The cursor moves over whatever is settled. */
  #advance(): void {
    const { lane } = this;
    const { reader } = lane;
    while (this.#base < reader.offset && this.#states[this.#base % WINDOW] === STATE.SETTLED) {
      lane.settleOne();
      this.#clear(this.#base++);
    }
    if (lane.head !== lane.cursor.slab) lane.recycle();
  }

  /** An entry in hand: where it begins in `block`. For who gives it up. */
  locate(offset: number): void {
    this.block = this.lane.slabOf(offset).resident;
    this.at = this.#places[offset % WINDOW]!;
  }

  /** The consumer is gone: what it had in hand is pending, from the first that is not settled (J25). */
  close(): void {
    if (this.lane.deleted) return;
    this.follow();
    for (let offset = this.#base; offset < this.lane.reader.offset; offset++) {
      if (this.isInFlight(offset)) this.giveBack(offset);
    }
    this.save();
    this.lane.rewind();
  }

  /**
   * Writes what differs from the row: what is in flight as it would be if the consumer were lost now. It goes
   * with the next group that is made for something else: if that is a step of this turn, into the same (J9).
   */
  save(): void {
    this.isChanged = false;
    if (this.lane.deleted) return;
    const key = laneRow(this.lane);
    const row = encodeDeliveries({ slot: this.slot, base: this.#base, entries: this.#snapshot() });
    const before = this.#tables.get(TABLE.DELIVERIES, key);
    if (before === undefined ? this.slot === NO_SLOT && row.length === EMPTY_BYTES : before.equals(row))
      return;
    this.#tables.putLazily(TABLE.DELIVERIES, key, row);
  }

  #snapshot(): Uint8Array {
    const entries = new Uint8Array(WINDOW);
    for (let i = 0; i < WINDOW; i++) {
      const at = (this.#base + i) % WINDOW;
      const state = this.#states[at]!;
      const failed = this.#attempts[at]! + (state === STATE.PENDING ? 0 : 1);
      entries[i] = state === STATE.SETTLED ? SETTLED_EARLY : Math.min(ATTEMPTS_MAX, failed);
    }
    return entries;
  }
}

/** A row that says nothing. */
const EMPTY_BYTES = encodeDeliveries({ slot: NO_SLOT, base: 0, entries: new Uint8Array(0) }).length;
