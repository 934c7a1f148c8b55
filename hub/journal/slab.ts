/**
 * Slabs: where lanes keep their entries in memory. A slab is one block of contiguous entries; a lane is a
 * list of them. Blocks are pooled, because fresh memory costs a page fault per 4 KB, which was the largest
 * single cost of a hub without reuse.
 */
import { Block, ENTRY, entryOffset, entryTotal, FRAME } from "../../abi/index.ts";

export const SLAB_BYTES = 256 * 1024;
/** Blocks kept for reuse: 16 MB. */
const POOL_BLOCKS_MAX = 64;

const pool: Block[] = [];

export class Slab {
  /** `null` while the slab is only on disk. */
  block: Block | null;
  /** Offset of its first entry. */
  first: number;
  count = 0;
  /** Bytes used. */
  end = 0;
  next: Slab | null = null;

  private constructor(first: number, block: Block | null) {
    this.first = first;
    this.block = block;
  }

  /** An empty slab with room for an entry of `bytes`. */
  static create(first: number, bytes: number): Slab {
    return new Slab(first, takeBlock(bytes));
  }

  /** A slab whose entries are on disk. */
  static evicted(first: number): Slab {
    return new Slab(first, null);
  }

  get endOffset(): number {
    return this.first + this.count;
  }

  /** Its block, which must be in memory. */
  get resident(): Block {
    if (this.block === null) throw new Error(`slab ${this.first} is not in memory`);
    return this.block;
  }

  /** Gives the block back. Nothing may refer to its bytes any more. */
  release(): void {
    if (this.block !== null && this.block.u8.length === SLAB_BYTES && pool.length < POOL_BLOCKS_MAX) {
      pool.push(this.block);
    }
    this.block = null;
  }
}

export function takeBlock(bytes: number): Block {
  if (bytes <= SLAB_BYTES) return pool.pop() ?? Block.allocate(SLAB_BYTES);
  return Block.allocate(bytes);
}

/** A place between two entries: the offset, and where its entry begins. */
export class Position {
  offset: number;
  slab: Slab;
  at: number;

  constructor(offset: number, slab: Slab, at: number) {
    this.offset = offset;
    this.slab = slab;
    this.at = at;
  }

  set(other: Position): void {
    this.offset = other.offset;
    this.slab = other.slab;
    this.at = other.at;
  }

  copy(): Position {
    return new Position(this.offset, this.slab, this.at);
  }

  /** From the end of one slab to the start of the next, when there is one. */
  settle(): void {
    while (this.at === this.slab.end && this.slab.next !== null) {
      this.slab = this.slab.next;
      this.at = 0;
    }
  }

  /** Over one entry, whose slab must be in memory. */
  step(): void {
    this.settle();
    this.at += entryTotal(this.slab.resident, this.at);
    this.offset++;
  }
}

/** Whether bytes `[0, end)` are the entries `[first, endOffset)`, end to end: whoever walks them relies on it. */
export function isChain(block: Block, end: number, first: number, endOffset: number): boolean {
  let at = 0;
  let offset = first;
  while (at < end) {
    const total = entryTotal(block, at);
    if (total < ENTRY.SIZE + FRAME.SIZE || total % 8 !== 0 || entryOffset(block, at) !== offset) return false;
    at += total;
    offset++;
  }
  return at === end && offset === endOffset;
}
