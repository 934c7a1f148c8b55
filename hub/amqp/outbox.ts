/**
 * What goes out on one connection: frames are put into one chunk and written once per turn. The chunk is
 * borrowed at the first byte and given back as soon as the kernel has it, so an idle connection holds nothing.
 * Before the turn's write, whoever owns the outbox may add what it has gathered.
 */
import type { Duplex } from "node:stream";
import { giveChunk, LARGE_CHUNK_BYTES, takeChunk } from "../mqtt/chunk-pool.ts";

const dirty: Outbox[] = [];
let isFlushScheduled = false;

function flushAll(): void {
  isFlushScheduled = false;
  for (let i = 0; i < dirty.length; i++) dirty[i]!.flush();
  dirty.length = 0;
}

export interface OutboxOwner {
  /** The turn is over, or the kernel has taken what it was given: adds what has gathered. */
  onFlush(): void;
  /** More waits to be read than may; must close the outbox. */
  onOverflow(): void;
}

export class Outbox {
  readonly #stream: Duplex;
  readonly #backlogBytesMax: number;
  readonly #owner: OutboxOwner;
  #chunk: Buffer | null = null;
  #length = 0;
  #isDirty = false;
  #isClosed = false;
  /** Frames were put since this was last made false. */
  hasSent = false;

  constructor(stream: Duplex, backlogBytesMax: number, owner: OutboxOwner) {
    this.#stream = stream;
    this.#backlogBytesMax = backlogBytesMax;
    this.#owner = owner;
  }

  /** Bytes put or written that the kernel has not taken. */
  get backlogBytes(): number {
    return this.#length + this.#stream.writableLength;
  }

  /** Have `onFlush` called at the end of this turn. */
  touch(): void {
    if (this.#isDirty || this.#isClosed) return;
    this.#isDirty = true;
    dirty.push(this);
    if (isFlushScheduled) return;
    isFlushScheduled = true;
    process.nextTick(flushAll);
  }

  /** Copies a whole frame, of at most `LARGE_CHUNK_BYTES`. */
  put(frame: Buffer): void {
    this.room(frame.length);
    if (this.#chunk === null) return;
    frame.copy(this.#chunk, this.#length);
    this.#length += frame.length;
  }

  /** Room for `bytes` at `at` of what is returned, to be filled at once; `null` when closed. */
  room(bytes: number): Buffer | null {
    if (this.#isClosed) return null;
    this.touch();
    this.hasSent = true;
    const chunk = this.#chunk;
    if (chunk === null) this.#chunk = takeChunk(bytes);
    else if (this.#length + bytes > chunk.length) {
      if (chunk.length < LARGE_CHUNK_BYTES && this.#length + bytes <= LARGE_CHUNK_BYTES) this.#grow(chunk);
      else {
        this.#write();
        if (!this.#isOpen()) return null;
        this.#chunk = takeChunk(bytes);
      }
    }
    return this.#chunk;
  }

  get at(): number {
    return this.#length;
  }

  /** `bytes` were filled in behind `at`. */
  filled(bytes: number): void {
    this.#length += bytes;
  }

  #isOpen(): boolean {
    return !this.#isClosed;
  }

  #grow(chunk: Buffer): void {
    const roomier = takeChunk(LARGE_CHUNK_BYTES);
    chunk.copy(roomier, 0, 0, this.#length);
    giveChunk(chunk);
    this.#chunk = roomier;
  }

  flush(): void {
    if (this.#isClosed) return;
    this.#owner.onFlush();
    this.#isDirty = false;
    // While the kernel takes no more, output gathers in dense chunks.
    if (this.#length > 0 && this.#stream.writableLength === 0) this.#write();
  }

  /** Writes what is left, and takes no more. */
  finish(): void {
    if (this.#isClosed) return;
    if (this.#length > 0) this.#write();
    this.close();
  }

  /** Drops what was not written, and takes no more. */
  close(): void {
    this.#isClosed = true;
    this.#chunk = null;
    this.#length = 0;
  }

  #write(): void {
    const chunk = this.#chunk!;
    const length = this.#length;
    this.#chunk = null;
    this.#length = 0;
    if (this.#stream.writableLength + length > this.#backlogBytesMax) return this.#owner.onOverflow();
    this.#stream.write(length === chunk.length ? chunk : chunk.subarray(0, length), this.#onWritten);
    // A stream of length zero has no write under way: the kernel took the bytes within the call.
    if (this.#stream.writableLength === 0) giveChunk(chunk);
  }

  readonly #onWritten = (): void => {
    if (!this.#isClosed && this.#stream.writableLength === 0) this.flush();
  };
}
