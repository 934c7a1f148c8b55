/**
 * Encoded AMQP values (AMQP 1.0, part 1): a walk that says where a value ends, or that it is none, and readers
 * for values that the walk has passed. The walk believes nothing it has not seen: an element that is announced
 * has to lie within the bytes at hand, one that takes no bytes counts against a bound, and nesting has one.
 * So its time is linear in the bytes and its memory none.
 */
import { VALUE_DEPTH_MAX, VALUES_MAX } from "./limits.ts";

export const MALFORMED = -1;

/** Format codes by name. */
export const TYPE = {
  DESCRIBED: 0x00,
  NULL: 0x40,
  TRUE: 0x41,
  FALSE: 0x42,
  UINT0: 0x43,
  ULONG0: 0x44,
  LIST0: 0x45,
  UBYTE: 0x50,
  BYTE: 0x51,
  SMALL_UINT: 0x52,
  SMALL_ULONG: 0x53,
  SMALL_INT: 0x54,
  SMALL_LONG: 0x55,
  BOOLEAN: 0x56,
  USHORT: 0x60,
  SHORT: 0x61,
  UINT: 0x70,
  INT: 0x71,
  FLOAT: 0x72,
  CHAR: 0x73,
  DECIMAL32: 0x74,
  ULONG: 0x80,
  LONG: 0x81,
  DOUBLE: 0x82,
  TIMESTAMP: 0x83,
  DECIMAL64: 0x84,
  DECIMAL128: 0x94,
  UUID: 0x98,
  BINARY8: 0xa0,
  STRING8: 0xa1,
  SYMBOL8: 0xa3,
  BINARY32: 0xb0,
  STRING32: 0xb1,
  SYMBOL32: 0xb3,
  LIST8: 0xc0,
  MAP8: 0xc1,
  LIST32: 0xd0,
  MAP32: 0xd1,
  ARRAY8: 0xe0,
  ARRAY32: 0xf0,
} as const;

const KNOWN = new Uint8Array(256);
for (const code of Object.values(TYPE)) KNOWN[code] = 1;

/** Bytes of a fixed-width value, by the high nibble of its code. */
const FIXED_BYTES = [0, 0, 0, 0, 0, 1, 2, 4, 8, 16] as const;

/** What the walk under way may still visit: one number, since the walk is never interrupted. */
let valuesLeft = 0;

/** The byte behind the value at `at`, or `MALFORMED` when there is none that ends by `end`. */
export function valueEnd(bytes: Buffer, at: number, end: number, valuesMax: number = VALUES_MAX): number {
  valuesLeft = valuesMax;
  return walk(bytes, at, end, VALUE_DEPTH_MAX);
}

function walk(bytes: Buffer, at: number, end: number, depth: number): number {
  if (at >= end || depth === 0 || --valuesLeft < 0) return MALFORMED;
  const code = bytes[at]!;
  if (code !== TYPE.DESCRIBED) return walkPayload(bytes, code, at + 1, end, depth);
  const value = walkDescriptor(bytes, at + 1, end);
  return value === MALFORMED ? MALFORMED : walk(bytes, value, end, depth - 1);
}

/** A descriptor is an unsigned long or a symbol (AMQP 1.5); ours and all that are standard. */
function walkDescriptor(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return MALFORMED;
  const code = bytes[at]!;
  const isOne =
    code === TYPE.SMALL_ULONG ||
    code === TYPE.ULONG ||
    code === TYPE.ULONG0 ||
    code === TYPE.SYMBOL8 ||
    code === TYPE.SYMBOL32;
  return isOne ? walkPayload(bytes, code, at + 1, end, 1) : MALFORMED;
}

function walkPayload(bytes: Buffer, code: number, at: number, end: number, depth: number): number {
  if (KNOWN[code] === 0) return MALFORMED;
  const kind = code >> 4;
  if (kind < 0xa) {
    const next = at + FIXED_BYTES[kind]!;
    if (code === TYPE.BOOLEAN && next <= end && bytes[at]! > 1) return MALFORMED;
    return next <= end ? next : MALFORMED;
  }
  const isWide = (kind & 1) === 1;
  if (at + (isWide ? 4 : 1) > end) return MALFORMED;
  const size = isWide ? bytes.readUInt32BE(at) : bytes[at]!;
  const from = at + (isWide ? 4 : 1);
  const to = from + size;
  if (to > end) return MALFORMED;
  if (kind < 0xc) return to;
  return kind < 0xe ? walkCompound(bytes, code, from, to, depth) : walkArray(bytes, isWide, from, to, depth);
}

function walkCompound(bytes: Buffer, code: number, from: number, to: number, depth: number): number {
  const isWide = code >> 4 === 0xd;
  let at = from + (isWide ? 4 : 1);
  if (at > to) return MALFORMED;
  const count = isWide ? bytes.readUInt32BE(from) : bytes[from]!;
  // Every element has at least its constructor: more than there are bytes is a lie.
  if (count > to - at) return MALFORMED;
  const isMap = code === TYPE.MAP8 || code === TYPE.MAP32;
  if (isMap && count % 2 !== 0) return MALFORMED;
  for (let i = 0; i < count; i++) {
    at = walk(bytes, at, to, depth - 1);
    if (at === MALFORMED) return MALFORMED;
  }
  return at === to ? to : MALFORMED;
}

function walkArray(bytes: Buffer, isWide: boolean, from: number, to: number, depth: number): number {
  let at = from + (isWide ? 4 : 1);
  if (at >= to) return MALFORMED;
  const count = isWide ? bytes.readUInt32BE(from) : bytes[from]!;
  if (bytes[at] === TYPE.DESCRIBED) {
    at = walkDescriptor(bytes, at + 1, to);
    if (at === MALFORMED || at >= to) return MALFORMED;
  }
  const code = bytes[at++]!;
  // Elements may take no bytes at all: the bound on values is what counts them.
  if (code === TYPE.DESCRIBED || count > valuesLeft || depth <= 1) return MALFORMED;
  valuesLeft -= count;
  for (let i = 0; i < count; i++) {
    at = walkPayload(bytes, code, at, to, depth - 1);
    if (at === MALFORMED) return MALFORMED;
  }
  return at === to && KNOWN[code] === 1 ? to : MALFORMED;
}

// ---- Readers: of what the walk has passed. Each takes where the value's constructor lies. ----

/** The byte behind a value that is known to be well-formed. */
export function skipValue(bytes: Buffer, at: number): number {
  let code = bytes[at]!;
  if (code === TYPE.DESCRIBED) {
    at = skipValue(bytes, at + 1);
    return skipValue(bytes, at);
  }
  const kind = code >> 4;
  if (kind < 0xa) return at + 1 + FIXED_BYTES[kind]!;
  code = kind & 1;
  return code === 1 ? at + 5 + bytes.readUInt32BE(at + 1) : at + 2 + bytes[at + 1]!;
}

/** First byte of the content of a string, symbol or binary; it goes on to `skipValue`. */
export const contentStart = (bytes: Buffer, at: number): number => at + ((bytes[at]! >> 4) & 1 ? 5 : 2);

/** First element of a list or map. */
export function firstElement(bytes: Buffer, at: number): number {
  const kind = bytes[at]! >> 4;
  return kind === 0x4 ? at + 1 : kind === 0xc ? at + 3 : at + 9;
}

/** Elements of a list or map; of a map, keys and values together. */
export function elementCount(bytes: Buffer, at: number): number {
  const kind = bytes[at]! >> 4;
  return kind === 0x4 ? 0 : kind === 0xc ? bytes[at + 2]! : bytes.readUInt32BE(at + 5);
}

export const isText = (code: number): boolean =>
  code === TYPE.STRING8 || code === TYPE.STRING32 || code === TYPE.SYMBOL8 || code === TYPE.SYMBOL32;
export const isBinary = (code: number): boolean => code === TYPE.BINARY8 || code === TYPE.BINARY32;
export const isMap = (code: number): boolean => code === TYPE.MAP8 || code === TYPE.MAP32;
export const isList = (code: number): boolean =>
  code === TYPE.LIST0 || code === TYPE.LIST8 || code === TYPE.LIST32;

/** A string or symbol as text; `null` for anything else. */
export const textAt = (bytes: Buffer, at: number): string | null =>
  isText(bytes[at]!) ? bytes.toString("utf8", contentStart(bytes, at), skipValue(bytes, at)) : null;

/** An unsigned number of up to 32 bits; `otherwise` for anything else, null above all. */
export function uintAt(bytes: Buffer, at: number, otherwise: number): number {
  switch (bytes[at]) {
    case TYPE.UINT0:
      return 0;
    case TYPE.UBYTE:
    case TYPE.SMALL_UINT:
      return bytes[at + 1]!;
    case TYPE.USHORT:
      return bytes.readUInt16BE(at + 1);
    case TYPE.UINT:
      return bytes.readUInt32BE(at + 1);
    default:
      return otherwise;
  }
}

/** An integer of any type that fits a number; `null` for anything else. */
export function integerAt(bytes: Buffer, at: number): number | null {
  switch (bytes[at]) {
    case TYPE.BYTE:
    case TYPE.SMALL_INT:
    case TYPE.SMALL_LONG:
      return bytes.readInt8(at + 1);
    case TYPE.SHORT:
      return bytes.readInt16BE(at + 1);
    case TYPE.INT:
      return bytes.readInt32BE(at + 1);
    case TYPE.LONG:
      return Number(bytes.readBigInt64BE(at + 1));
    case TYPE.ULONG0:
      return 0;
    case TYPE.SMALL_ULONG:
      return bytes[at + 1]!;
    case TYPE.ULONG:
      return Number(bytes.readBigUInt64BE(at + 1));
    default: {
      const unsigned = uintAt(bytes, at, -1);
      return unsigned < 0 ? null : unsigned;
    }
  }
}

export function booleanAt(bytes: Buffer, at: number): boolean {
  const code = bytes[at];
  return code === TYPE.TRUE || (code === TYPE.BOOLEAN && bytes[at + 1] === 1);
}

/** The number of a descriptor, or -1 when it is a symbol or larger than 32 bits. */
export function descriptorAt(bytes: Buffer, at: number): number {
  if (bytes[at] !== TYPE.DESCRIBED) return -1;
  switch (bytes[at + 1]) {
    case TYPE.ULONG0:
      return 0;
    case TYPE.SMALL_ULONG:
      return bytes[at + 2]!;
    case TYPE.ULONG:
      return bytes.readUInt32BE(at + 2) === 0 ? bytes.readUInt32BE(at + 6) : -1;
    default:
      return -1;
  }
}
