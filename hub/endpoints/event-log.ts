/**
 * A log: a lane without a consumer, read by offset, trimmed from the front when it is full. `$upstream` of a
 * gateway without parent is one, and so are dead letters.
 */
import { entryOffset, entryTotal, type Block } from "../../abi/index.ts";
import type { Lane } from "../journal/lane.ts";
import { Position } from "../journal/slab.ts";

/** Bytes one page may hold, whatever its limit in entries says. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Drops the oldest slabs of entries until the log fits its bound again. Returns how many entries went. */
export function trim(lane: Lane, bytesMax: number): number {
  let dropped = 0;
  while (lane.bytes > bytesMax) {
    const next = lane.cursor.slab.next;
    if (next === null || next.first >= lane.durable) break;
    dropped += next.first - lane.cursor.offset;
    lane.settleTo(new Position(next.first, next, 0));
  }
  return dropped;
}

export interface LogPage<T> {
  readonly entries: T[];
  readonly next: number;
  readonly oldest: number;
}

/**
 * Durable entries from `from` on, at most `limit` of them. `read` gets each entry's place; it must copy.
 * @param isGone offsets to pass over
 */
export function readLog<T>(
  lane: Lane,
  from: number,
  limit: number,
  read: (block: Block, entryAt: number, offset: number) => T,
  isGone: (offset: number) => boolean = () => false,
): LogPage<T> {
  const oldest = lane.cursor.offset;
  let next = Math.max(from, oldest);
  const entries: T[] = [];
  let bytes = 0;
  for (let slab: Lane["head"] | null = lane.head; slab !== null; slab = slab.next) {
    if (slab.endOffset <= next || slab.count === 0) continue;
    const block = lane.peek(slab);
    for (let at = 0; at < slab.end; at += entryTotal(block, at)) {
      const offset = entryOffset(block, at);
      if (offset < next) continue;
      if (offset >= lane.durable || entries.length >= limit || bytes >= PAGE_BYTES_MAX)
        return { entries, next, oldest };
      next = offset + 1;
      if (isGone(offset)) continue;
      entries.push(read(block, at, offset));
      bytes += entryTotal(block, at);
    }
  }
  return { entries, next, oldest };
}
