/**
 * A device's queue as it lies there: what is not settled of it, and settling by who is no consumer. Entries beyond
 * the cursor that are settled are known by the lane's row of deliveries, which the consumer keeps up to date with
 * each settlement.
 */
import { entryTotal, type Block } from "../../abi/index.ts";
import { decodeDeliveries, encodeDeliveries, SETTLED_EARLY, WINDOW } from "../endpoints/delivery-row.ts";
import type { Lane } from "../journal/lane.ts";
import type { Slab } from "../journal/slab.ts";
import { laneRow, TABLE, type Tables } from "../journal/tables.ts";

export interface Waiting {
  readonly offset: number;
  /** Hand-overs that failed, or are under way. */
  readonly attempts: number;
  /** For reading now. */
  readonly block: Block;
  readonly at: number;
}

/** A byte for each of the first entries from the cursor on, as in the row. */
function entriesFromCursor(
  lane: Lane,
  tables: Tables,
): { readonly slot: number; readonly entries: Uint8Array } {
  const { slot, base, entries } = decodeDeliveries(tables.get(TABLE.DELIVERIES, laneRow(lane)));
  const passed = lane.cursor.offset - base;
  const known = new Uint8Array(WINDOW);
  for (let i = 0; i < WINDOW; i++) known[i] = entries[i + passed] ?? 0;
  return { slot, entries: known };
}

/** Entries that are not settled, oldest first. */
export function waitingIn(lane: Lane, tables: Tables): Waiting[] {
  const found: Waiting[] = [];
  if (lane.length === 0) return found;
  const { entries } = entriesFromCursor(lane, tables);
  const first = lane.cursor.offset;
  lane.cursor.settle();
  let { offset, at } = lane.cursor;
  for (let slab: Slab | null = lane.cursor.slab; slab !== null; slab = slab.next, at = 0) {
    if (slab.count === 0) continue;
    for (const block = lane.peek(slab); at < slab.end; at += entryTotal(block, at), offset++) {
      const attempts = entries[offset - first] ?? 0;
      if (attempts !== SETTLED_EARLY) found.push({ offset, attempts, block, at });
    }
  }
  return found;
}

/** Whether an entry lies where it can be settled out of turn. */
export const isInReach = (lane: Lane, offset: number): boolean => offset < lane.cursor.offset + WINDOW;

/** Settles entries in reach of a lane that nobody consumes, as part of the current step. */
export function settleWaiting(lane: Lane, tables: Tables, offsets: ReadonlySet<number>): void {
  const { slot, entries } = entriesFromCursor(lane, tables);
  const first = lane.cursor.offset;
  for (const offset of offsets) entries[offset - first] = SETTLED_EARLY;
  while (lane.length > 0 && entries[lane.cursor.offset - first] === SETTLED_EARLY) lane.settleOne();
  const base = lane.cursor.offset;
  const row = encodeDeliveries({ slot, base, entries: entries.subarray(base - first) });
  tables.put(TABLE.DELIVERIES, laneRow(lane), row);
}
