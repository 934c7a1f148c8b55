/**
 * AMQP values to a frame's property sections, typed as they came (A17): a number stays a number over every hop.
 * Written into scratch space and copied once per message.
 */
import { PROPERTIES_MAX, PROPERTY, PROPERTY_NAME_BYTES_MAX, PROPERTY_TYPE } from "../../abi/index.ts";
import { contentStart, skipValue, TYPE } from "./value.ts";

const BYTES_INITIAL = 4_096;
const align4 = (n: number): number => (n + 3) & ~3;
const align8 = (n: number): number => (n + 7) & ~7;

export class PropertyScratch {
  #bytes = Buffer.alloc(BYTES_INITIAL);
  #at = 0;
  #count = 0;

  reset(): void {
    this.#at = 0;
    this.#count = 0;
  }

  get length(): number {
    return this.#at;
  }

  /** A copy, padded to 8. */
  copy(): Uint8Array {
    if (this.#at === 0) return EMPTY;
    const out = Buffer.allocUnsafe(align8(this.#at));
    out.fill(0, this.#at);
    this.#bytes.copy(out, 0, 0, this.#at);
    return out;
  }

  /**
   * The value at a place under a well-known id, or under the name `source[nameFrom, nameTo)` when `id` is 0. A
   * value that a property cannot hold is left out (contract §5.4). `false`: too many, or no such name.
   */
  put(id: number, source: Buffer, nameFrom: number, nameTo: number, at: number): boolean {
    const type = typeOf(source[at]!);
    if (type === null) return true;
    if (this.#count >= PROPERTIES_MAX) return false;
    const name = id === 0 ? textBytes(source, nameFrom, nameTo) : EMPTY_TEXT;
    if (name.length > PROPERTY_NAME_BYTES_MAX || (id === 0 && name.length === 0)) return false;
    this.#value(source, at, type);
    this.#write(id, type, name, scratch, scratchLength);
    return true;
  }

  /** Text under a well-known id. */
  putText(id: number, text: Buffer): void {
    this.#write(id, PROPERTY_TYPE.UTF8, EMPTY_TEXT, text, text.length);
  }

  #write(id: number, type: number, name: Buffer, value: Buffer, valueLength: number): void {
    const start = this.#at;
    const end = align4(start + PROPERTY.SIZE + name.length + valueLength);
    this.#ensure(end);
    const bytes = this.#bytes;
    bytes.writeUInt16LE(id, start + PROPERTY.NAME_ID);
    bytes.writeUInt16LE(type, start + PROPERTY.TYPE); // flags 0
    bytes.writeUInt32LE(name.length, start + PROPERTY.NAME_LEN); // reserved 0
    bytes.writeUInt32LE(valueLength, start + PROPERTY.VALUE_LEN);
    let p = start + PROPERTY.SIZE;
    name.copy(bytes, p);
    p += name.length;
    value.copy(bytes, p, 0, valueLength);
    p += valueLength;
    while (p < end) bytes[p++] = 0;
    this.#at = end;
    this.#count++;
  }

  #ensure(length: number): void {
    if (length <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(length, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  /** Leaves the value in `scratch`, as a property has it: numbers least significant byte first. */
  #value(source: Buffer, at: number, type: number): void {
    switch (type) {
      case PROPERTY_TYPE.UTF8:
        scratch =
          source[at] === TYPE.CHAR
            ? charBytes(source, at)
            : textBytes(source, contentStart(source, at), skipValue(source, at));
        scratchLength = scratch.length;
        return;
      case PROPERTY_TYPE.BINARY:
        scratch = source.subarray(contentStart(source, at), skipValue(source, at));
        scratchLength = scratch.length;
        return;
      case PROPERTY_TYPE.UUID:
        scratch = source.subarray(at + 1, at + 17);
        scratchLength = 16;
        return;
      default:
        scratch = number;
        scratchLength = writeNumber(source, at, type);
    }
  }
}

const EMPTY = new Uint8Array(0);
const EMPTY_TEXT = Buffer.alloc(0);
const number = Buffer.alloc(8);
let scratch: Buffer = number;
let scratchLength = 0;

/** What a property of this AMQP type is; `null` when it can be none. */
function typeOf(code: number): number | null {
  return TYPES.get(code) ?? null;
}

const TYPES: ReadonlyMap<number, number> = new Map([
  [TYPE.NULL, PROPERTY_TYPE.NULL],
  ...[TYPE.TRUE, TYPE.FALSE, TYPE.BOOLEAN].map((code) => [code, PROPERTY_TYPE.BOOL] as const),
  ...[TYPE.BYTE, TYPE.SHORT, TYPE.INT, TYPE.SMALL_INT, TYPE.LONG, TYPE.SMALL_LONG].map(
    (code) => [code, PROPERTY_TYPE.I64] as const,
  ),
  ...[TYPE.UBYTE, TYPE.USHORT, TYPE.UINT, TYPE.SMALL_UINT, TYPE.UINT0].map(
    (code) => [code, PROPERTY_TYPE.U64] as const,
  ),
  ...[TYPE.ULONG, TYPE.SMALL_ULONG, TYPE.ULONG0].map((code) => [code, PROPERTY_TYPE.U64] as const),
  ...[TYPE.FLOAT, TYPE.DOUBLE].map((code) => [code, PROPERTY_TYPE.F64] as const),
  [TYPE.TIMESTAMP, PROPERTY_TYPE.TIME],
  [TYPE.UUID, PROPERTY_TYPE.UUID],
  ...[TYPE.BINARY8, TYPE.BINARY32].map((code) => [code, PROPERTY_TYPE.BINARY] as const),
  ...[TYPE.STRING8, TYPE.STRING32, TYPE.SYMBOL8, TYPE.SYMBOL32, TYPE.CHAR].map(
    (code) => [code, PROPERTY_TYPE.UTF8] as const,
  ),
]);

/** Writes into `number` and returns how many bytes of it count. */
function writeNumber(source: Buffer, at: number, type: number): number {
  const code = source[at]!;
  switch (type) {
    case PROPERTY_TYPE.NULL:
      return 0;
    case PROPERTY_TYPE.BOOL:
      number[0] = code === TYPE.TRUE || (code === TYPE.BOOLEAN && source[at + 1] === 1) ? 1 : 0;
      return 1;
    case PROPERTY_TYPE.F64:
      number.writeDoubleLE(code === TYPE.FLOAT ? source.readFloatBE(at + 1) : source.readDoubleBE(at + 1));
      return 8;
    case PROPERTY_TYPE.TIME:
      number.writeDoubleLE(source.readInt32BE(at + 1) * 4_294_967_296 + source.readUInt32BE(at + 5));
      return 8;
    default:
      writeInteger(source, at, code);
      return 8;
  }
}

function writeInteger(source: Buffer, at: number, code: number): void {
  const width = skipValue(source, at) - at - 1;
  const isSigned = TYPES.get(code) === PROPERTY_TYPE.I64;
  const isNegative = isSigned && width > 0 && source[at + 1]! > 127;
  number.fill(isNegative ? 255 : 0);
  for (let i = 0; i < width; i++) number[i] = source[at + width - i]!;
}

const charBytes = (source: Buffer, at: number): Buffer => {
  const point = source.readUInt32BE(at + 1);
  const isOne = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
  return Buffer.from(isOne ? String.fromCodePoint(point) : "\uFFFD");
};

/** Bytes that are certainly utf-8: what is not becomes U+FFFD. */
export function textBytes(source: Buffer, from: number, to: number): Buffer {
  for (let i = from; i < to; i++) {
    if (source[i]! > 127) return Buffer.from(source.toString("utf8", from, to));
  }
  return source.subarray(from, to);
}
