/** The effects of one batch on their way to the hub: a growing run of effect headers and payloads. */
import { align8, Block, EFFECT_HEADER } from "../../abi/index.ts";

const SLAB_BYTES_INITIAL = 64 * 1024;
/** A slab that grew beyond this for one batch is given back after it. */
const SLAB_BYTES_KEPT_MAX = 256 * 1024;

export class EffectSlab {
  /** Re-read after every `append`: growth makes a new one. */
  block = Block.allocate(SLAB_BYTES_INITIAL);
  length = 0;
  /** Bytes of entries that the effects refer to, which the hub will copy. */
  passedBytes = 0;

  /** Returns where the payload goes, 8-aligned; its padding is zero, the rest is not. */
  append(kind: number, port: number, cause: number, payloadBytes: number): number {
    const at = this.length;
    const total = EFFECT_HEADER.SIZE + align8(payloadBytes);
    this.#reserve(total);
    const { u32 } = this.block;
    const w = at >> 2;
    u32[w] = total;
    u32[w + 1] = kind; // flags 0
    u32[w + 2] = EFFECT_HEADER.SIZE | (port << 16);
    u32[w + 3] = cause;
    u32[w + 4] = 0;
    u32[w + 5] = 0;
    u32.fill(0, (at + total - 8) >> 2, (at + total) >> 2);
    return at + EFFECT_HEADER.SIZE;
  }

  /** Makes the effect at `at`, the last one, longer. Returns where the new bytes go. */
  extend(at: number, bytes: number): number {
    const end = this.length;
    this.#reserve(bytes);
    this.block.u32[at >> 2]! += bytes;
    return end;
  }

  truncate(length: number, passedBytes: number): void {
    this.length = length;
    this.passedBytes = passedBytes;
  }

  /** The bytes, in `into` when they fit, and empties the slab. */
  take(into: ArrayBuffer): { buffer: ArrayBuffer; bytes: number } {
    const bytes = this.length;
    const fits = bytes <= into.byteLength;
    if (fits) new Uint8Array(into).set(this.block.u8.subarray(0, bytes));
    const buffer = fits ? into : this.block.buffer.slice(0, bytes);
    this.truncate(0, 0);
    if (this.block.buffer.byteLength > SLAB_BYTES_KEPT_MAX) this.block = Block.allocate(SLAB_BYTES_INITIAL);
    return { buffer, bytes };
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed > this.block.buffer.byteLength) {
      const grown = Block.allocate(Math.max(needed, this.block.buffer.byteLength * 2));
      grown.u8.set(this.block.u8.subarray(0, this.length));
      this.block = grown;
    }
    this.length = needed;
  }
}
