/** Control records: entries that are no message, made for one hand-over and never stored (J32). */
import { align8, Block } from "./block.ts";
import { ENTRY, ENTRY_FLAG } from "./layout.ts";

/** An entry of its own; its payload of `bytes`, behind the header, is the caller's to write. */
export function controlEntry(kind: number, bytes: number, port = 0): Block {
  const total = ENTRY.SIZE + align8(bytes);
  const block = Block.allocate(total);
  block.u32[ENTRY.TOTAL >> 2] = total;
  block.u16[ENTRY.KIND >> 1] = kind;
  block.u16[ENTRY.FLAGS >> 1] = ENTRY_FLAG.CONTROL;
  block.u16[ENTRY.HEADER >> 1] = ENTRY.SIZE;
  block.u16[ENTRY.PORT >> 1] = port;
  block.f64[ENTRY.DEADLINE >> 3] = Infinity;
  return block;
}
