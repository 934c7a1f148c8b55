/**
 * The dead-letter logs: one per endpoint, bounded, read by offset. An operator may take letters out of the
 * middle of one; a log only moves at its front, so what was taken out is a row of the journal until the cursor
 * has passed it. There are never more such rows than entries in the log.
 *
 * Invariants: the entry at the cursor is never one that was taken out; a row lies between cursor and tail.
 */
import { entryTotal, frameTotal, type Block } from "../../abi/index.ts";
import type { Journal } from "../journal/journal.ts";
import type { Lane } from "../journal/lane.ts";
import { Position, type Slab } from "../journal/slab.ts";
import { TABLE } from "../journal/tables.ts";
import { DEAD_LETTER_PREFIX, type Endpoint } from "./endpoint.ts";
import type { Endpoints } from "./endpoints.ts";
import { readLog, trim, type LogPage } from "./event-log.ts";
import { withReason, type LetterInfo } from "./letter.ts";

const KEY_BYTES = 10;

/** Letters that were taken out of one log: bytes by offset. */
class Removed {
  readonly byOffset = new Map<number, number>();
  bytes = 0;

  add(offset: number, bytes: number): void {
    this.byOffset.set(offset, bytes);
    this.bytes += bytes;
  }

  delete(offset: number): void {
    this.bytes -= this.byOffset.get(offset) ?? 0;
    this.byOffset.delete(offset);
  }
}

export class DeadLetters {
  readonly #journal: Journal;
  readonly #endpoints: Endpoints;
  readonly #onDropped: (lane: Lane, count: number) => void;
  /** By queue. */
  readonly #removed = new Map<number, Removed>();

  /** @param onDropped letters of a lane that went because there was no room for them any more */
  constructor(journal: Journal, endpoints: Endpoints, onDropped: (lane: Lane, count: number) => void) {
    this.#journal = journal;
    this.#endpoints = endpoints;
    this.#onDropped = onDropped;
    for (const [key, value] of journal.tables.entries(TABLE.REMOVED)) {
      const place = Buffer.from(key, "latin1");
      this.#removedOf(place.readUInt32BE(0)).add(place.readUIntBE(4, 6), value.readUInt32LE(0));
    }
  }

  /** Puts the frame at `from` away, as part of the current step. */
  bury(block: Block, from: number, info: LetterInfo): void {
    const letter = withReason(block, from, info);
    const log = this.#endpoints.deadLettersOf(info.endpoint);
    const lane = log.lane(0);
    lane.appendFrame(letter, 0, frameTotal(letter, 0), { port: 0, deadline: Infinity });
    const { length } = this.sizeOf(lane);
    if (trim(lane, log.bytesMax) > 0) {
      this.#forgetPassed(lane);
      this.#onDropped(lane, length - this.sizeOf(lane).length);
    }
    this.#journal.touch(lane);
  }

  /** The logs there are, by the name of the endpoint whose letters they hold. */
  logs(): (readonly [endpoint: string, log: Endpoint])[] {
    const found: (readonly [string, Endpoint])[] = [];
    for (const endpoint of this.#endpoints.all()) {
      if (endpoint.name.startsWith(DEAD_LETTER_PREFIX))
        found.push([endpoint.name.slice(DEAD_LETTER_PREFIX.length), endpoint]);
    }
    return found.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** The lane with the letters of an endpoint, when there ever were any. */
  laneOf(endpoint: string): Lane | null {
    return this.#endpoints.find(DEAD_LETTER_PREFIX + endpoint)?.lane(0) ?? null;
  }

  /** Durable letters from an offset on, without those that were taken out. */
  read<T>(
    lane: Lane,
    from: number,
    limit: number,
    read: (block: Block, entryAt: number, offset: number) => T,
  ): LogPage<T> {
    const removed = this.#removedOf(lane.queue).byOffset;
    return readLog(lane, from, limit, read, (offset) => removed.has(offset));
  }

  /** What a log holds, without what was taken out of it. */
  sizeOf(lane: Lane): { readonly length: number; readonly bytes: number } {
    const { byOffset, bytes } = this.#removedOf(lane.queue);
    return { length: lane.length - byOffset.size, bytes: lane.bytes - bytes };
  }

  /** Takes one letter out, as part of the current step. `false`: there is none at that offset. */
  remove(lane: Lane, offset: number): boolean {
    const [bytes] = this.read(lane, offset, 1, (block, at, found) =>
      found === offset ? entryTotal(block, at) : 0,
    ).entries;
    if (bytes === undefined || bytes === 0) return false;
    if (offset === lane.cursor.offset) {
      lane.settleOne();
      this.#passRemoved(lane);
    } else this.#takeOut(lane, offset, bytes);
    this.#journal.touch(lane);
    return true;
  }

  #takeOut(lane: Lane, offset: number, bytes: number): void {
    const value = Buffer.allocUnsafe(4);
    value.writeUInt32LE(bytes);
    this.#removedOf(lane.queue).add(offset, bytes);
    this.#journal.tables.put(TABLE.REMOVED, keyOf(lane.queue, offset), value);
  }

  /** Gives up every durable letter of a log, as part of the current step. Returns how many there were. */
  clear(lane: Lane): number {
    const { length } = this.sizeOf(lane);
    let slab: Slab | null = lane.cursor.slab;
    for (; slab !== null && slab.endOffset <= lane.durable; slab = slab.next) {
      lane.settleTo(new Position(slab.endOffset, slab, slab.end));
    }
    while (lane.cursor.offset < lane.durable) lane.settleOne();
    this.#forgetPassed(lane);
    this.#journal.touch(lane);
    return length - this.sizeOf(lane).length;
  }

  /** The cursor was moved over many entries at once: rows of those are of no use any more. */
  #forgetPassed(lane: Lane): void {
    for (const offset of this.#removedOf(lane.queue).byOffset.keys()) {
      if (offset < lane.cursor.offset) this.#forget(lane, offset);
    }
    this.#passRemoved(lane);
  }

  /** Moves the cursor to the next letter that is there. */
  #passRemoved(lane: Lane): void {
    const { byOffset } = this.#removedOf(lane.queue);
    while (byOffset.has(lane.cursor.offset)) {
      this.#forget(lane, lane.cursor.offset);
      lane.settleOne();
    }
  }

  #forget(lane: Lane, offset: number): void {
    this.#removedOf(lane.queue).delete(offset);
    this.#journal.tables.delete(TABLE.REMOVED, keyOf(lane.queue, offset));
  }

  #removedOf(queue: number): Removed {
    let removed = this.#removed.get(queue);
    if (removed === undefined) this.#removed.set(queue, (removed = new Removed()));
    return removed;
  }
}

function keyOf(queue: number, offset: number): string {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  key.writeUInt32BE(queue, 0);
  key.writeUIntBE(offset, 4, 6);
  return key.toString("latin1");
}
