/**
 * What a lane remembers of deliveries beyond its cursor, as one row: the lane's slot, and a byte for each entry
 * from `base` on, which counts the hand-overs that failed, or says that it is settled. A row that is lost, or
 * that nobody can read, costs redeliveries and nothing else.
 */
/** Of entries beyond the cursor, the most that one consumer may have in any state but pending (J23). */
export const WINDOW = 1024;
/** Hand-overs that can be counted. */
export const ATTEMPTS_MAX = 254;
/** Settled, while one before it is not. */
export const SETTLED_EARLY = 255;
export const NO_SLOT = 255;

const VERSION = 1;
/** u8 version, u8 slot, f64 base. */
const HEAD_BYTES = 10;

export interface DeliveryRow {
  readonly slot: number;
  /** Offset of the first entry in `entries`. */
  readonly base: number;
  readonly entries: Uint8Array;
}

const NOTHING: DeliveryRow = { slot: NO_SLOT, base: 0, entries: new Uint8Array(0) };

/** Entries that were never handed over are left out at the end; then `base` says nothing, and is 0. */
export function encodeDeliveries({ slot, base, entries }: DeliveryRow): Buffer {
  let count = entries.length;
  while (count > 0 && entries[count - 1] === 0) count--;
  const row = Buffer.alloc(HEAD_BYTES + count);
  row.writeUInt8(VERSION, 0);
  row.writeUInt8(slot, 1);
  row.writeDoubleLE(count === 0 ? 0 : base, 2);
  row.set(entries.subarray(0, count), HEAD_BYTES);
  return row;
}

export function decodeDeliveries(row: Buffer | undefined): DeliveryRow {
  if (row === undefined || row.length < HEAD_BYTES || row[0] !== VERSION) return NOTHING;
  const entries = row.subarray(HEAD_BYTES, HEAD_BYTES + WINDOW);
  return { slot: row[1]!, base: row.readDoubleLE(2), entries };
}
