/**
 * Output chunks, recycled over the whole thread. Fresh memory faults in page by page, and handing a fresh
 * buffer to every write costs more than the write's own copying. Bounded: what does not fit is left to the
 * garbage collector. Whoever gives a chunk back must be certain that nobody reads it any more.
 */

class ChunkPool {
  readonly #chunkBytes: number;
  readonly #chunksMax: number;
  readonly #free: Buffer[] = [];

  constructor(chunkBytes: number, chunksMax: number) {
    this.#chunkBytes = chunkBytes;
    this.#chunksMax = chunksMax;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#chunkBytes);
  }

  give(chunk: Buffer): void {
    if (this.#free.length < this.#chunksMax) this.#free.push(chunk);
  }
}

export const SMALL_CHUNK_BYTES = 4 * 1024;
export const LARGE_CHUNK_BYTES = 64 * 1024;
const small = new ChunkPool(SMALL_CHUNK_BYTES, 256);
const large = new ChunkPool(LARGE_CHUNK_BYTES, 32);

/** A chunk of at least `bytes`, at most `LARGE_CHUNK_BYTES`. */
export const takeChunk = (bytes: number): Buffer => (bytes <= SMALL_CHUNK_BYTES ? small : large).take();

export function giveChunk(chunk: Buffer): void {
  (chunk.length === SMALL_CHUNK_BYTES ? small : large).give(chunk);
}
