/**
 * The entry: 32 bytes in front of a frame, one per endpoint. `at` is the entry's first byte, 8-aligned; its
 * frame begins at `at + ENTRY.SIZE`.
 */
import { high32, join64, type Block } from "./block.ts";
import { ENTRY, RECORD } from "./layout.ts";

/** Writes a MESSAGE entry in front of a frame of `frameBytes`. */
export function writeEntry(
  block: Block,
  at: number,
  frameBytes: number,
  port: number,
  offset: number,
  priority: number,
  deadline: number,
): void {
  const { u32 } = block;
  const w = at >> 2;
  u32[w] = ENTRY.SIZE + frameBytes;
  u32[w + 1] = RECORD.MESSAGE; // flags 0
  u32[w + 2] = ENTRY.SIZE | (port << 16);
  u32[w + 3] = offset >>> 0;
  u32[w + 4] = high32(offset);
  u32[w + 5] = priority; // attempt 0
  block.f64[(at + ENTRY.DEADLINE) >> 3] = deadline;
}

export const entryTotal = (block: Block, at: number): number => block.u32[at >> 2]!;
export const entryKind = (block: Block, at: number): number => block.u16[(at + ENTRY.KIND) >> 1]!;
export const entryPort = (block: Block, at: number): number => block.u16[(at + ENTRY.PORT) >> 1]!;
export const entryOffset = (block: Block, at: number): number =>
  join64(block.u32[(at + ENTRY.OFFSET_LO) >> 2]!, block.u32[(at + ENTRY.OFFSET_HI) >> 2]!);
export const entryPriority = (block: Block, at: number): number => block.u8[at + ENTRY.PRIORITY]!;
export const entryAttempt = (block: Block, at: number): number => block.u8[at + ENTRY.ATTEMPT]!;
export const entryDeadline = (block: Block, at: number): number => block.f64[(at + ENTRY.DEADLINE) >> 3]!;
