/**
 * Cuts a byte stream into MQTT packets, in place. Whole packets are handed on where they were read; only what
 * a read leaves incomplete is copied, once, into a buffer that grows with the bytes received and never with
 * the length announced: five bytes cannot make us allocate 256 KB, and a packet sent byte by byte is not
 * copied byte by byte.
 */
import { MALFORMED_LENGTH } from "./fixed-header.ts";

const HELD_BYTES_MIN = 512;
/** A larger buffer is not kept for the next incomplete packet. */
const HELD_BYTES_KEPT_MAX = 4096;

export abstract class PacketFramer {
  /** `[start, end)` of `held`: a packet in part, or, when the flow was stopped, whatever had been read. */
  #held: Buffer | null = null;
  #start = 0;
  #end = 0;
  #ended = false;

  /** `false`: hand on nothing more, keep it. */
  protected flowing = true;

  /** Asked as soon as a header is complete, at times twice; `false` when the connection was closed over it. */
  protected abstract admit(header: number, remaining: number): boolean;

  /** One packet: `[from, to)` is what follows the fixed header. Valid during the call only. */
  protected abstract onPacket(header: number, bytes: Buffer, from: number, to: number): void;

  protected get heldBytes(): number {
    return this.#end - this.#start;
  }

  /** Takes what was read. `bytes` may be overwritten when this returns. */
  protected push(bytes: Buffer, from: number, to: number): void {
    let at = from;
    if (this.#end > this.#start) {
      if (!this.flowing) return this.#append(bytes, from, to);
      at = this.#completeHeld(bytes, from, to);
    }
    if (at < to) at = this.#scan(bytes, at, to);
    if (at < to) this.#append(bytes, at, to);
    else if (this.#end === this.#start) this.#held = null;
  }

  /** Hands on what was kept while the flow was stopped. */
  protected drain(): void {
    const held = this.#held;
    if (held === null) return;
    const at = this.#scan(held, this.#start, this.#end);
    if (this.#ended) return;
    this.#start = at;
    if (at < this.#end) return;
    this.#start = this.#end = 0;
    if (held.length > HELD_BYTES_KEPT_MAX) this.#held = null;
  }

  /** Forgets everything, for good. May be called from within `onPacket`. */
  protected endFraming(): void {
    this.#ended = true;
    this.flowing = false;
    this.#held = null;
    this.#start = this.#end = 0;
  }

  /** Hands on the packets that lie whole in `[from, to)`; returns where the first other one begins. */
  #scan(bytes: Buffer, from: number, to: number): number {
    let at = from;
    while (to - at >= 2 && this.flowing) {
      let body = at + 2;
      let remaining = bytes[at + 1]!;
      if (remaining > 127) {
        remaining &= 127;
        let shift = 7;
        let byte = 128;
        while (byte > 127 && shift < 28) {
          if (body >= to) return at;
          byte = bytes[body++]!;
          remaining |= (byte & 127) << shift;
          shift += 7;
        }
        if (byte > 127) remaining = MALFORMED_LENGTH;
      }
      const header = bytes[at]!;
      if (!this.admit(header, remaining)) return to;
      const end = body + remaining;
      if (end > to) return at;
      this.onPacket(header, bytes, body, end);
      at = end;
    }
    return at;
  }

  /** Completes the one packet held in part; returns where the bytes behind it begin. */
  #completeHeld(bytes: Buffer, from: number, to: number): number {
    let at = from;
    let total = this.#heldTotal();
    while (total === 0 && at < to) {
      this.#append(bytes, at, at + 1);
      at += 1;
      total = this.#heldTotal();
    }
    const missing = Math.min(Math.max(0, total - this.heldBytes), to - at);
    if (missing > 0) this.#append(bytes, at, at + missing);
    // Also when it is still incomplete: a header that is refused is refused at once.
    if (total !== 0) this.drain();
    return at + missing;
  }

  /** Length of the held packet with its header; 0 = header incomplete; 1 = its length is malformed. */
  #heldTotal(): number {
    const held = this.#held!;
    let total = 0;
    for (let i = 1; i <= 4; i++) {
      if (this.#start + i >= this.#end) return 0;
      const byte = held[this.#start + i]!;
      total |= (byte & 127) << (7 * (i - 1));
      if (byte < 128) return total + 1 + i;
    }
    return 1;
  }

  #append(bytes: Buffer, from: number, to: number): void {
    if (this.#ended) return;
    const needed = this.heldBytes + to - from;
    if (this.#held === null || this.#end + to - from > this.#held.length) {
      const roomier = Buffer.allocUnsafeSlow(Math.max(HELD_BYTES_MIN, 2 * this.heldBytes, needed));
      this.#held?.copy(roomier, 0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
      this.#held = roomier;
    }
    bytes.copy(this.#held, this.#end, from, to);
    this.#end += to - from;
  }
}
