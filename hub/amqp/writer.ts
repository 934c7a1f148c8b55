/**
 * Encodes AMQP values into a buffer that grows to a bound: messages and the frames that are sent often. One
 * is shared by the whole thread, since whatever it holds is copied out before the turn goes on.
 */
import { TYPE } from "./value.ts";

const BYTES_INITIAL = 4_096;
/** 2^32. */
const HIGH = 4_294_967_296;

export class Writer {
  bytes = Buffer.allocUnsafeSlow(BYTES_INITIAL);
  at = 0;

  reset(): this {
    this.at = 0;
    return this;
  }

  /** Room for `count` more bytes. */
  ensure(count: number): void {
    const needed = this.at + count;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }

  /** The bytes written, as a view that the next `reset` gives away. */
  view(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  byte(value: number): void {
    this.ensure(1);
    this.bytes[this.at++] = value;
  }

  raw(source: Buffer, from = 0, to = source.length): void {
    this.ensure(to - from);
    source.copy(this.bytes, this.at, from, to);
    this.at += to - from;
  }

  null(): void {
    this.byte(TYPE.NULL);
  }

  boolean(value: boolean): void {
    this.byte(value ? TYPE.TRUE : TYPE.FALSE);
  }

  ubyte(value: number): void {
    this.byte(TYPE.UBYTE);
    this.byte(value);
  }

  uint(value: number): void {
    if (value === 0) return this.byte(TYPE.UINT0);
    this.ensure(5);
    if (value < 256) {
      this.bytes[this.at++] = TYPE.SMALL_UINT;
      this.bytes[this.at++] = value;
      return;
    }
    this.bytes[this.at++] = TYPE.UINT;
    this.at = this.bytes.writeUInt32BE(value, this.at);
  }

  int(value: number): void {
    this.ensure(5);
    this.bytes[this.at++] = TYPE.INT;
    this.at = this.bytes.writeInt32BE(value, this.at);
  }

  /** Exact to 2^53. */
  ulong(value: number): void {
    this.#wide(TYPE.ULONG, Math.floor(value / HIGH), value % HIGH);
  }

  /** ms since 1970. */
  timestamp(ms: number): void {
    const high = Math.floor(ms / HIGH);
    this.#wide(TYPE.TIMESTAMP, high >>> 0, ms - high * HIGH);
  }

  #wide(code: number, high: number, low: number): void {
    this.ensure(9);
    this.bytes[this.at++] = code;
    this.at = this.bytes.writeUInt32BE(high, this.at);
    this.at = this.bytes.writeUInt32BE(low, this.at);
  }

  /** The eight bytes at `from`, least significant first, as a number of this type. */
  swapped(code: number, source: Buffer, from: number): void {
    this.ensure(9);
    this.bytes[this.at++] = code;
    for (let i = 7; i >= 0; i--) this.bytes[this.at++] = source[from + i]!;
  }

  string(text: string): void {
    this.text(TYPE.STRING8, text);
  }

  symbol(text: string): void {
    this.text(TYPE.SYMBOL8, text);
  }

  /** `code`: the narrow form's. */
  text(code: number, text: string): void {
    const length = Buffer.byteLength(text);
    this.#head(code, length);
    this.at += this.bytes.write(text, this.at, length);
  }

  /** A string, symbol or binary of the bytes `[from, to)`. `code`: the narrow form's. */
  content(code: number, source: Buffer, from: number, to: number): void {
    this.#head(code, to - from);
    this.raw(source, from, to);
  }

  #head(code: number, length: number): void {
    this.ensure(5 + length);
    if (length < 256) {
      this.bytes[this.at++] = code;
      this.bytes[this.at++] = length;
      return;
    }
    this.bytes[this.at++] = code + 0x10;
    this.at = this.bytes.writeUInt32BE(length, this.at);
  }

  /** A descriptor; its value follows. */
  described(descriptor: number): void {
    this.ensure(3);
    this.bytes[this.at++] = TYPE.DESCRIBED;
    this.bytes[this.at++] = TYPE.SMALL_ULONG;
    this.bytes[this.at++] = descriptor;
  }

  /** A list or map of up to 2^32 bytes; its elements follow, then `close` with what this returned. */
  open(code: typeof TYPE.LIST32 | typeof TYPE.MAP32): number {
    this.ensure(9);
    this.bytes[this.at] = code;
    this.at += 9;
    return this.at;
  }

  close(opened: number, count: number): void {
    this.bytes.writeUInt32BE(this.at - opened + 4, opened - 8);
    this.bytes.writeUInt32BE(count, opened - 4);
  }
}
