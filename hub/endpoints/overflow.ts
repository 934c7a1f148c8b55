/**
 * Room in a queue that does not refuse (J21): its oldest entries are dropped, or move to its dead letters. The
 * least urgent lane gives first. What is in flight stays: a lane whose oldest entries are is held, so that its
 * consumer gets no more of it, and gives as soon as they are settled. Until then the queue is over its bound.
 */
import { ENTRY, entryTotal, type Block } from "../../abi/index.ts";
import type { Lane } from "../journal/lane.ts";
import { Position, SLAB_BYTES } from "../journal/slab.ts";
import type { Endpoint } from "./endpoint.ts";
import { trim } from "./event-log.ts";

/** A little more room than needed is made, so that a consumer is not held for every message: a part of the bound. */
const SLACK_PART = 16;
/** Entries that move to the dead letters at once, bytes: as much as one group gathers. */
const MOVED_BYTES_MAX = 4 * 1024 * 1024;

/** What becomes of entries that are given up. */
export interface GiveUp {
  /** The lane is changed: its oldest entries are gone. */
  dropped(lane: Lane, count: number): void;
  /** The frame at `frame` is on its way to the dead letters of `endpoint`. */
  overflowed(endpoint: Endpoint, lane: Lane, block: Block, frame: number): void;
}

/** Brings a queue back under its bound, as part of the current step. `true`: it has to wait for its consumer. */
export function makeRoom(endpoint: Endpoint, giveUp: GiveUp): boolean {
  for (const lane of endpoint.lanes) lane.isHeld = false;
  let excess = endpoint.bytes - endpoint.bytesMax;
  if (excess <= 0) return false;
  if (endpoint.isLog && endpoint.overflow === "drop_oldest") {
    for (const lane of endpoint.lanes) told(lane, trim(lane, endpoint.bytesMax), giveUp);
    return false;
  }
  excess += Math.min(SLAB_BYTES, Math.floor(endpoint.bytesMax / SLACK_PART));
  for (const lane of endpoint.lanes.toReversed()) {
    if (excess <= 0) break;
    if (lane.length === 0) continue;
    lane.isHeld = lane.reader.offset > lane.cursor.offset;
    if (lane.isHeld) return true;
    excess -=
      endpoint.overflow === "dead_letter" ? move(endpoint, lane, excess, giveUp) : drop(lane, excess, giveUp);
  }
  return false;
}

function told(lane: Lane, count: number, giveUp: GiveUp): void {
  if (count > 0) giveUp.dropped(lane, count);
}

/** Drops at least `bytes` of the oldest entries, or all. Whole slabs need not be read. Returns how many bytes. */
function drop(lane: Lane, bytes: number, giveUp: GiveUp): number {
  const before = lane.bytes;
  const first = lane.cursor.offset;
  while (lane.length > 0 && before - lane.bytes < bytes) {
    lane.cursor.settle();
    const { slab, at } = lane.cursor;
    const isWhole = slab.next !== null && slab.end - at <= bytes - (before - lane.bytes);
    if (isWhole) lane.settleTo(new Position(slab.next!.first, slab.next!, 0));
    else lane.settleOne();
  }
  told(lane, lane.cursor.offset - first, giveUp);
  return before - lane.bytes;
}

/** The same, but they become dead letters: each with its settling, so that it is never in both places (J2). */
function move(endpoint: Endpoint, lane: Lane, bytes: number, giveUp: GiveUp): number {
  let moved = 0;
  while (lane.length > 0 && moved < Math.min(bytes, MOVED_BYTES_MAX)) {
    const block = lane.makeResident(lane.cursor);
    const { at } = lane.cursor;
    moved += entryTotal(block, at);
    giveUp.overflowed(endpoint, lane, block, at + ENTRY.SIZE);
    lane.settleOne();
  }
  return moved;
}
