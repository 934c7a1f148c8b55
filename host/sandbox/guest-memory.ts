/**
 * A guest's linear memory, seen from outside. Growth detaches every view, so none is kept: `block` is made
 * anew whenever the memory has grown, and pointers are judged against the memory as it is now.
 */
import { Block } from "../../abi/index.ts";

export class GuestMemory {
  #memory: WebAssembly.Memory | null = null;
  /** Empty until the instance exists: a start function that calls the host reaches no memory. */
  #block = Block.allocate(0);

  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
  }

  /** Valid until the guest runs again. */
  get block(): Block {
    const memory = this.#memory;
    if (memory !== null && memory.buffer !== this.#block.buffer) this.#block = new Block(memory.buffer);
    return this.#block;
  }

  /** Whether `[ptr, ptr + length)` lies within; both as the guest gave them, i32. */
  holds(ptr: number, length: number): boolean {
    return (ptr >>> 0) + (length >>> 0) <= this.block.u8.length;
  }

  text(ptr: number, length: number): string {
    const start = ptr >>> 0;
    return this.block.u8.toString("utf8", start, start + (length >>> 0));
  }

  /** Bytes as a string of characters 0-255: a key that compares in byte order. */
  key(ptr: number, length: number): string {
    const start = ptr >>> 0;
    return this.block.u8.toString("latin1", start, start + (length >>> 0));
  }
}
