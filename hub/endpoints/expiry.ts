/**
 * Entries whose time to live has ended, with nobody to hand them to. What is in flight never expires (J21).
 *
 * A lane is settled from its head, so one message that lives long keeps what has died behind it. Consumers pass
 * over that; where nobody consumes, and room is getting short, the few that live are appended anew, in their
 * order, and all before them is settled: one step, after which the dead are gone.
 */
import { Block, ENTRY, entryDeadline, entryTotal } from "../../abi/index.ts";
import type { Lane } from "../journal/lane.ts";
import type { Endpoint } from "./endpoint.ts";

/** Entries one sweep may drop per lane. */
const EXPIRED_PER_SWEEP_MAX = 100_000;
/** What lives among the dead may be appended anew up to this many bytes: as much as a step may hold (J9). */
const LIVING_BYTES_MAX = 1024 * 1024;
/** A sweep looks no further than this into a lane, bytes. */
const SCANNED_BYTES_MAX = 64 * 1024 * 1024;
/** Room is getting short when a queue holds this part of its bound. */
const SHORT_PART = 0.5;

interface Living {
  readonly frame: Block;
  readonly deadline: number;
}

/** Settles what has expired in a lane, as part of the current step. Returns how many entries that were. */
export function expire(endpoint: Endpoint, lane: Lane, nowMs: number): number {
  const atHead = expireHead(lane, nowMs);
  const isShort = endpoint.bytes > endpoint.bytesMax * SHORT_PART;
  return isShort && atHead < EXPIRED_PER_SWEEP_MAX ? atHead + expireBehind(lane, nowMs) : atHead;
}

function expireHead(lane: Lane, nowMs: number): number {
  let expired = 0;
  while (lane.length > 0 && lane.cursor.offset === lane.reader.offset && expired < EXPIRED_PER_SWEEP_MAX) {
    const block = lane.makeResident(lane.cursor);
    if (entryDeadline(block, lane.cursor.at) > nowMs) break;
    lane.settleOne();
    expired++;
  }
  return expired;
}

function expireBehind(lane: Lane, nowMs: number): number {
  if (lane.length === 0 || lane.cursor.offset !== lane.reader.offset) return 0;
  const { length } = lane;
  const living = livingOf(lane, nowMs);
  if (living === null || living.length === length) return 0;
  const tail = lane.tailPosition();
  for (const { frame, deadline } of living) {
    lane.appendFrame(frame, 0, frame.u8.length, { port: 0, deadline });
  }
  lane.settleTo(tail);
  lane.pin();
  return length - living.length;
}

/** Copies of what lives in a lane, or `null` when that is more than may be appended anew. */
function livingOf(lane: Lane, nowMs: number): Living[] | null {
  if (lane.bytes > SCANNED_BYTES_MAX) return null;
  const living: Living[] = [];
  let bytes = 0;
  lane.cursor.settle();
  let from = lane.cursor.at;
  for (let slab: Lane["head"] | null = lane.cursor.slab; slab !== null; slab = slab.next) {
    if (slab.count > 0) {
      const block = lane.peek(slab);
      for (let at = from; at < slab.end; at += entryTotal(block, at)) {
        const deadline = entryDeadline(block, at);
        if (deadline <= nowMs) continue;
        bytes += entryTotal(block, at);
        if (bytes > LIVING_BYTES_MAX) return null;
        const frame = Block.allocate(entryTotal(block, at) - ENTRY.SIZE);
        block.u8.copy(frame.u8, 0, at + ENTRY.SIZE, at + entryTotal(block, at));
        living.push({ frame, deadline });
      }
    }
    from = 0;
  }
  return living;
}
