/**
 * What goes out on one connection: packets are appended to one chunk and written once per turn, never one
 * `write` per packet. The chunk is borrowed at the first byte and given back as soon as the kernel has it, so
 * an idle connection holds nothing.
 *
 * While the peer does not read, output gathers in dense chunks up to a bound; passing it ends the connection.
 */
import type { Duplex } from "node:stream";
import { giveChunk, LARGE_CHUNK_BYTES, takeChunk } from "./chunk-pool.ts";
import { PACKET, PUBLISH_BIT } from "./fixed-header.ts";

/** First byte, four of remaining length, two of topic length. */
const PUBLISH_HEAD_BYTES_MAX = 7;

const dirty: Outbox[] = [];
let isFlushScheduled = false;

/** Writes what was appended this turn, on every connection. Runs by itself at the end of the turn. */
export function flushOutboxes(): void {
  isFlushScheduled = false;
  for (let i = 0; i < dirty.length; i++) dirty[i]!.flush();
  dirty.length = 0;
}

export class Outbox {
  readonly #socket: Duplex;
  readonly #backlogBytesMax: number;
  readonly #onOverflow: () => void;
  #chunk: Buffer | null = null;
  #length = 0;
  /** One chunk that the kernel did not take at once, to be reused when it has. */
  #parked: Buffer | null = null;
  #isDirty = false;
  #isClosed = false;

  /** `onOverflow` is called in the middle of an append or flush; it must close this outbox. */
  constructor(socket: Duplex, backlogBytesMax: number, onOverflow: () => void) {
    this.#socket = socket;
    this.#backlogBytesMax = backlogBytesMax;
    this.#onOverflow = onOverflow;
  }

  /** Bytes appended or written that the kernel has not taken. */
  get backlogBytes(): number {
    return this.#length + this.#socket.writableLength;
  }

  /** A packet whose body is at most two bytes: acknowledgements, CONNACK, PINGRESP. */
  short(header: number, bodyBytes: 0 | 2, first: number, second: number): void {
    if (!this.#reserve(2 + bodyBytes)) return;
    const chunk = this.#chunk!;
    let at = this.#length;
    chunk[at++] = header;
    chunk[at++] = bodyBytes;
    if (bodyBytes === 2) {
      chunk[at++] = first;
      chunk[at++] = second;
    }
    this.#length = at;
  }

  suback(packetId: number, codes: readonly number[]): void {
    const remaining = 2 + codes.length;
    if (!this.#reserve(5 + remaining)) return;
    this.#putHeader(PACKET.SUBACK << 4, remaining);
    this.#put16(packetId);
    for (const code of codes) this.#chunk![this.#length++] = code;
  }

  /** Copies topic and body; both may be overwritten when this returns. */
  publish(
    topic: Uint8Array,
    source: Buffer,
    from: number,
    to: number,
    qos: number,
    packetId: number,
    dup: boolean,
  ): void {
    const remaining = 2 + topic.length + (qos > 0 ? 2 : 0) + to - from;
    if (!this.#reserve(PUBLISH_HEAD_BYTES_MAX + remaining)) return;
    this.#putHeader((PACKET.PUBLISH << 4) | (dup ? PUBLISH_BIT.DUP : 0) | (qos << 1), remaining);
    this.#put16(topic.length);
    if (this.#length + topic.length <= this.#chunk!.length) {
      this.#chunk!.set(topic, this.#length);
      this.#length += topic.length;
    } else this.#putPieces(topic, 0, topic.length);
    if (qos > 0) {
      if (!this.#reserve(2)) return;
      this.#put16(packetId);
    }
    if (this.#chunk !== null && this.#length + to - from <= this.#chunk.length) {
      source.copy(this.#chunk, this.#length, from, to);
      this.#length += to - from;
    } else this.#putPieces(source, from, to);
  }

  /** Hands the chunk to the socket, unless the socket still has bytes that the kernel would not take. */
  flush(): void {
    this.#isDirty = false;
    if (this.#length > 0 && this.#socket.writableLength === 0) this.#write();
  }

  /** Drops what was not written; from here on appending does nothing. */
  close(): void {
    this.#isClosed = true;
    this.#chunk = null;
    this.#parked = null;
    this.#length = 0;
  }

  /** Writes everything that is left, whatever the socket's state: nothing will follow. */
  finish(): void {
    if (this.#length > 0 && !this.#isClosed) this.#write();
    this.close();
  }

  /** Room for `bytes`, or for a full chunk when a packet is larger: then it is put in pieces. */
  #reserve(bytes: number): boolean {
    if (this.#isClosed) return false;
    if (!this.#isDirty) this.#markDirty();
    const chunk = this.#chunk;
    if (chunk === null) {
      this.#chunk = takeChunk(bytes);
      return true;
    }
    const needed = this.#length + bytes;
    if (needed <= chunk.length) return true;
    if (chunk.length < LARGE_CHUNK_BYTES && needed <= LARGE_CHUNK_BYTES) this.#grow(chunk);
    else this.#write();
    if (this.#isClosed) return false;
    this.#chunk ??= takeChunk(LARGE_CHUNK_BYTES);
    return true;
  }

  #grow(chunk: Buffer): void {
    const roomier = takeChunk(LARGE_CHUNK_BYTES);
    chunk.copy(roomier, 0, 0, this.#length);
    giveChunk(chunk);
    this.#chunk = roomier;
  }

  #markDirty(): void {
    this.#isDirty = true;
    dirty.push(this);
    if (isFlushScheduled) return;
    isFlushScheduled = true;
    process.nextTick(flushOutboxes);
  }

  #putHeader(header: number, remaining: number): void {
    const chunk = this.#chunk!;
    let at = this.#length;
    chunk[at++] = header;
    let rest = remaining;
    while (rest > 127) {
      chunk[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    chunk[at++] = rest;
    this.#length = at;
  }

  #put16(value: number): void {
    this.#chunk![this.#length++] = value >> 8;
    this.#chunk![this.#length++] = value & 255;
  }

  #putPieces(source: Uint8Array, from: number, to: number): void {
    let at = from;
    while (at < to) {
      if (!this.#reserve(1)) return;
      const chunk = this.#chunk!;
      const end = Math.min(to, at + chunk.length - this.#length);
      chunk.set(source.subarray(at, end), this.#length);
      this.#length += end - at;
      at = end;
    }
  }

  #write(): void {
    const chunk = this.#chunk!;
    const length = this.#length;
    const socket = this.#socket;
    this.#chunk = null;
    this.#length = 0;
    if (socket.writableLength + length > this.#backlogBytesMax) {
      this.#onOverflow();
      return;
    }
    socket.write(length === chunk.length ? chunk : chunk.subarray(0, length), this.#onWritten);
    // A stream of length zero has no write under way: the kernel took the bytes within the call.
    if (socket.writableLength === 0) giveChunk(chunk);
    else this.#parked ??= chunk;
  }

  readonly #onWritten = (): void => {
    if (this.#isClosed || this.#socket.writableLength > 0) return;
    if (this.#parked !== null) {
      giveChunk(this.#parked);
      this.#parked = null;
    }
    this.flush();
  };
}
