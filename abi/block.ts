/**
 * One ArrayBuffer seen as bytes and as aligned words. Everything in ABI v1 is little endian and 8-aligned,
 * so on the machines we run on (x64, arm64, armv7: all little endian) a field is one typed-array access.
 */
export class Block {
  readonly buffer: ArrayBuffer;
  readonly u8: Buffer;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;

  /** `buffer.byteLength` must be a multiple of 8. */
  constructor(buffer: ArrayBuffer) {
    this.buffer = buffer;
    this.u8 = Buffer.from(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.f64 = new Float64Array(buffer);
  }

  static allocate(bytes: number): Block {
    return new Block(new ArrayBuffer(align8(bytes)));
  }

  /** A copy of `bytes`, aligned. */
  static from(bytes: Uint8Array): Block {
    const block = Block.allocate(bytes.length);
    block.u8.set(bytes);
    return block;
  }
}

export const align8 = (n: number): number => (n + 7) & ~7;
export const align4 = (n: number): number => (n + 3) & ~3;

/** Two 32-bit halves as one number; exact up to 2^53. */
export const join64 = (lo: number, hi: number): number => hi * 4294967296 + lo;
export const high32 = (n: number): number => Math.floor(n / 4294967296);
