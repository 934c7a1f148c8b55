/**
 * Writing JSON: `new JsonObject().number("celsius", 21.5).string("unit", "C")`. What is written is JSON at any
 * moment but for the last bracket.
 */
import { Place, move, placeOfArray, putText, setU8, takeArray, takeText } from "./memory";
import { numberText } from "./number";

const INITIAL_BYTES: i32 = 128;
const UTF8_BYTES_PER_UNIT_MAX: u32 = 3;
const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const BACKSLASH: u32 = 0x5c;
const HEX: string = "0123456789abcdef";

/** What objects and arrays have in common: bytes in utf-8 that only grow. */
export abstract class JsonText {
  private bytes: StaticArray<u8> = new StaticArray<u8>(INITIAL_BYTES);
  private used: u32 = 0;

  protected constructor(
    open: u32,
    private close: u32,
  ) {
    this.putByte(open);
  }

  get byteLength(): u32 {
    return this.used + 1;
  }
  toString(): string {
    return takeText(this.end(), this.byteLength);
  }
  /** Writes `byteLength` bytes at `place`. */
  copyTo(place: Place): void {
    move(place, this.end(), this.byteLength);
  }

  protected separate(): void {
    if (this.used > 1) this.putByte(COMMA);
  }
  protected key(name: string): void {
    this.separate();
    this.putQuoted(name);
    this.putByte(COLON);
  }
  protected put(text: string): void {
    const place = this.reserve(text.length * UTF8_BYTES_PER_UNIT_MAX);
    this.used += putText(place, text);
  }
  protected putNumber(value: f64): void {
    this.put(isFinite(value) ? numberText(value) : "null");
  }
  protected putText(text: JsonText): void {
    text.copyTo(this.reserve(text.byteLength));
    this.used += text.byteLength;
  }
  protected putQuoted(text: string): void {
    this.putByte(QUOTE);
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x20 && unit != QUOTE && unit != BACKSLASH) continue;
      if (i > from) this.put(text.substring(from, i));
      this.putByte(BACKSLASH);
      if (unit >= 0x20) this.putByte(unit);
      else this.put("u00" + HEX.charAt(unit >>> 4) + HEX.charAt(unit & 15));
      from = i + 1;
    }
    this.put(from == 0 ? text : text.substring(from));
    this.putByte(QUOTE);
  }

  private putByte(byte: u32): void {
    setU8(this.reserve(1), byte);
    this.used++;
  }

  /** Closes the text, in the byte that `reserve` keeps for it; returns its first. */
  private end(): Place {
    const place = placeOfArray(this.bytes);
    setU8(place + this.used, this.close);
    return place;
  }

  /** Makes room for `bytes`, and the last bracket; returns where they go. */
  private reserve(bytes: u32): Place {
    const needed = this.used + bytes + 1;
    const capacity = this.bytes.length as u32;
    if (needed > capacity) {
      this.bytes = takeArray(placeOfArray(this.bytes), this.used, max(needed, capacity * 2) - this.used);
    }
    return placeOfArray(this.bytes) + this.used;
  }
}

export class JsonObject extends JsonText {
  constructor() {
    super(0x7b, 0x7d);
  }
  /** NaN and infinities, which JSON has not, become null. */
  number(name: string, value: f64): this {
    this.key(name);
    this.putNumber(value);
    return this;
  }
  string(name: string, value: string): this {
    this.key(name);
    this.putQuoted(value);
    return this;
  }
  boolean(name: string, value: bool): this {
    this.key(name);
    this.put(value ? "true" : "false");
    return this;
  }
  null(name: string): this {
    this.key(name);
    this.put("null");
    return this;
  }
  object(name: string, value: JsonObject): this {
    this.key(name);
    this.putText(value);
    return this;
  }
  array(name: string, value: JsonArray): this {
    this.key(name);
    this.putText(value);
    return this;
  }
}

export class JsonArray extends JsonText {
  constructor() {
    super(0x5b, 0x5d);
  }
  /** NaN and infinities, which JSON has not, become null. */
  number(value: f64): this {
    this.separate();
    this.putNumber(value);
    return this;
  }
  string(value: string): this {
    this.separate();
    this.putQuoted(value);
    return this;
  }
  boolean(value: bool): this {
    this.separate();
    this.put(value ? "true" : "false");
    return this;
  }
  object(value: JsonObject): this {
    this.separate();
    this.putText(value);
    return this;
  }
  array(value: JsonArray): this {
    this.separate();
    this.putText(value);
    return this;
  }
}
