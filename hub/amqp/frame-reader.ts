/**
 * Cuts protocol headers and frames out of what a socket reads: the first thing that a stranger's bytes meet.
 * It holds at most one frame in part, and never more than `frameBytesMax`, whatever a header announces.
 */
import { OPENING_FRAME_BYTES_MAX } from "./limits.ts";

/** Protocol ids of a header `AMQP` id 1 0 0. */
export const PROTOCOL = { AMQP: 0, SASL: 3 } as const;
const PROTOCOL_HEADER_BYTES = 8;
const FRAME_HEADER_BYTES = 8;

export const FRAME_TYPE = { AMQP: 0, SASL: 1 } as const;

export type FrameFault = "header_unknown" | "frame_malformed" | "frame_too_large";

export abstract class FrameReader {
  /** What a frame may be at this point of the conversation. */
  protected frameBytesMax: number = OPENING_FRAME_BYTES_MAX;
  /** Frames of this type are expected; any other is malformed. */
  protected frameType: number = FRAME_TYPE.AMQP;
  #expectsHeader = true;
  #isEnded = false;
  /** `[0, length)`: a header or frame in part. */
  #held: Buffer | null = null;
  #length = 0;

  /** A header of AMQP 1.0.0 with this protocol id. */
  protected abstract onHeader(protocol: number): void;
  /** What follows a frame's header, `[from, to)`: nothing, when it is a sign of life. Valid during the call. */
  protected abstract onFrame(channel: number, bytes: Buffer, from: number, to: number): void;
  protected abstract onFrameFault(fault: FrameFault): void;

  /** Behind a SASL layer a second header comes. */
  protected expectHeader(): void {
    this.#expectsHeader = true;
  }

  /** Nothing more is handed on. */
  protected endReading(): void {
    this.#isEnded = true;
    this.#held = null;
    this.#length = 0;
  }

  /** Takes what was read. `bytes` may be overwritten when this returns. */
  push(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (this.#length > 0 && at < to && !this.#isEnded) at = this.#complete(bytes, at, to);
    while (at < to && !this.#isEnded) {
      const size = this.#sizeOf(bytes, at, to);
      if (this.#isEnded) return;
      if (size < 0 || at + size > to) return this.#hold(bytes, at, to, size);
      this.#handOn(bytes, at, at + size);
      at += size;
    }
  }

  /** Bytes of the unit that begins at `at`, or -1 when too few are there to say. */
  #sizeOf(bytes: Buffer, at: number, to: number): number {
    if (this.#expectsHeader) return PROTOCOL_HEADER_BYTES;
    if (to - at < 4) return -1;
    const size = bytes.readUInt32BE(at);
    if (size < FRAME_HEADER_BYTES) this.#fail("frame_malformed");
    else if (size > this.frameBytesMax) this.#fail("frame_too_large");
    return size;
  }

  #hold(bytes: Buffer, at: number, to: number, size: number): void {
    const held = Buffer.allocUnsafe(Math.max(size, FRAME_HEADER_BYTES));
    bytes.copy(held, 0, at, to);
    this.#held = held;
    this.#length = to - at;
  }

  /** Adds to what is held, and hands it on when it is whole. Returns how far `bytes` are used up. */
  #complete(bytes: Buffer, at: number, to: number): number {
    const held = this.#held!;
    let size = this.#sizeOf(held, 0, this.#length);
    if (this.#isEnded) return to;
    const wanted = size < 0 ? 4 : size;
    const taken = Math.min(wanted - this.#length, to - at);
    bytes.copy(held, this.#length, at, at + taken);
    this.#length += taken;
    at += taken;
    if (this.#length < wanted) return at;
    if (size < 0) {
      size = this.#sizeOf(held, 0, this.#length);
      if (this.#isEnded) return to;
      if (held.length < size) {
        this.#held = Buffer.allocUnsafe(size);
        held.copy(this.#held, 0, 0, this.#length);
      }
      if (this.#length < size) return at;
    }
    this.#length = 0;
    this.#held = null;
    this.#handOn(held, 0, size);
    return at;
  }

  #handOn(bytes: Buffer, at: number, to: number): void {
    if (this.#expectsHeader) return this.#readHeader(bytes, at);
    const dataOffset = bytes[at + 4]! * 4;
    if (dataOffset < FRAME_HEADER_BYTES || at + dataOffset > to || bytes[at + 5] !== this.frameType) {
      return this.#fail("frame_malformed");
    }
    const channel = this.frameType === FRAME_TYPE.AMQP ? bytes.readUInt16BE(at + 6) : 0;
    this.onFrame(channel, bytes, at + dataOffset, to);
  }

  #readHeader(bytes: Buffer, at: number): void {
    const isAmqp = bytes.readUInt32BE(at) === 0x414d5150; // "AMQP"
    const isVersion1 = bytes[at + 5] === 1 && bytes[at + 6] === 0 && bytes[at + 7] === 0;
    if (!isAmqp || !isVersion1) return this.#fail("header_unknown");
    this.#expectsHeader = false;
    this.onHeader(bytes[at + 4]!);
  }

  #fail(fault: FrameFault): void {
    this.endReading();
    this.onFrameFault(fault);
  }
}
