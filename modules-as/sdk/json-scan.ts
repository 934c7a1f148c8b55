/**
 * The grammar of JSON over bytes. `faultOf` looks at everything once; after it the other functions may walk
 * without looking twice, because they see sound JSON only.
 *
 * A text is followed by eight bytes 0, which no JSON holds: whoever meets one is at the end, without counting,
 * and may read eight bytes at once. Texts go by their places and not by the arrays that hold them, for which
 * the compiler would keep books at every call.
 */
import { Place, getU32, getU64, getU8 } from "./memory";

/** Objects and arrays inside each other. Deeper JSON is a fault. */
export const JSON_DEPTH_MAX: i32 = 64;
/** Bytes 0 that follow a text. */
export const JSON_PADDING: u32 = 8;

export const QUOTE: u32 = 0x22;
export const BACKSLASH: u32 = 0x5c;
export const OPEN_OBJECT: u32 = 0x7b;
export const OPEN_ARRAY: u32 = 0x5b;
export const LETTER_U: u32 = 0x75;
const CLOSE_OBJECT: u32 = 0x7d;
const CLOSE_ARRAY: u32 = 0x5d;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const MINUS: u32 = 0x2d;
const PLUS: u32 = 0x2b;
const POINT: u32 = 0x2e;
const LETTER_E: u32 = 0x65;
const TRUE: u32 = 0x65757274; // "true"
const FALS: u32 = 0x736c6166; // "fals"
const NULL: u32 = 0x6c6c756e; // "null"

/** Where `[from, to)` stops being JSON; 0 when all of it is one value. */
export function faultOf(from: Place, to: Place): Place {
  const end = value(skipSpace(from), 0);
  if (end == 0) return fault;
  const rest = skipSpace(end);
  return rest == to ? 0 : rest;
}

export function skipSpace(at: Place): Place {
  while (true) {
    const byte = getU8(at);
    if (byte > 0x20 || (byte != 0x20 && byte != 0x0a && byte != 0x0d && byte != 0x09)) return at;
    at++;
  }
}

/** The byte behind the sound value at `at`. */
export function skipValue(at: Place): Place {
  const first = getU8(at);
  if (first == QUOTE) return skipString(at);
  if (first != OPEN_OBJECT && first != OPEN_ARRAY) return skipScalar(at);
  let depth = 0;
  do {
    const byte = getU8(at);
    if (byte == QUOTE) {
      at = skipString(at);
      continue;
    }
    if (byte == OPEN_OBJECT || byte == OPEN_ARRAY) depth++;
    else if (byte == CLOSE_OBJECT || byte == CLOSE_ARRAY) depth--;
    at++;
  } while (depth > 0);
  return at;
}

/** The byte behind the sound string that opens at `at`. */
export function skipString(at: Place): Place {
  at = skipPlain(at + 1);
  while (getU8(at) != QUOTE) at = skipPlain(at + 2);
  return at + 1;
}

function skipScalar(at: Place): Place {
  while (true) {
    const byte = getU8(at);
    if (byte <= 0x20 || byte == COMMA || byte == CLOSE_OBJECT || byte == CLOSE_ARRAY) return at;
    at++;
  }
}

/** First key of the sound object (or first element of the array) that opens at `at`; 0 when it is empty. */
export function firstItem(at: Place): Place {
  at = skipSpace(at + 1);
  const byte = getU8(at);
  return byte == CLOSE_OBJECT || byte == CLOSE_ARRAY ? 0 : at;
}

/** What follows the item whose value ends at `end`; 0 when it was the last. */
export function nextItem(end: Place): Place {
  const at = skipSpace(end);
  return getU8(at) == COMMA ? skipSpace(at + 1) : 0;
}

/** The value of the member whose key ends at `end`. */
export function memberValue(end: Place): Place {
  return skipSpace(skipSpace(end) + 1);
}

/** The first quote, backslash or control character from `at` on. */
export function skipPlain(at: Place): Place {
  const ones: u64 = 0x0101010101010101;
  while (true) {
    const word = getU64(at);
    const quote = word ^ (ones * QUOTE);
    const backslash = word ^ (ones * BACKSLASH);
    // The lowest bit that is set is exact: a borrow reaches only bytes behind a byte that was found.
    const found =
      (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word)) &
      (ones << 7);
    if (found != 0) return at + ((<usize>ctz(found)) >>> 3);
    at += 8;
  }
}

// Looking at everything once. Each function returns the byte behind what it names; or 0, and `fault` is set.

let fault: Place = 0;

function faultAt(at: Place): Place {
  fault = at;
  return 0;
}

function value(at: Place, depth: i32): Place {
  const first = getU8(at);
  if (first == QUOTE) return quoted(at);
  if (first == OPEN_OBJECT || first == OPEN_ARRAY) {
    return depth < JSON_DEPTH_MAX ? items(at, first, depth + 1) : faultAt(at);
  }
  const word = getU32(at);
  if (word == TRUE || word == NULL) return at + 4;
  if (word == FALS && getU8(at + 4) == LETTER_E) return at + 5;
  return numeral(at);
}

function items(at: Place, first: u32, depth: i32): Place {
  const isObject = first == OPEN_OBJECT;
  const close = isObject ? CLOSE_OBJECT : CLOSE_ARRAY;
  at = skipSpace(at + 1);
  if (getU8(at) == close) return at + 1;
  while (true) {
    if (isObject) {
      if (getU8(at) != QUOTE) return faultAt(at);
      at = quoted(at);
      if (at == 0) return 0;
      at = skipSpace(at);
      if (getU8(at) != COLON) return faultAt(at);
      at = skipSpace(at + 1);
    }
    at = value(at, depth);
    if (at == 0) return 0;
    at = skipSpace(at);
    const byte = getU8(at);
    if (byte == close) return at + 1;
    if (byte != COMMA) return faultAt(at);
    at = skipSpace(at + 1);
  }
}

function quoted(at: Place): Place {
  at++;
  while (true) {
    at = skipPlain(at);
    const byte = getU8(at);
    if (byte == QUOTE) return at + 1;
    if (byte != BACKSLASH) return faultAt(at);
    const escape = getU8(at + 1);
    if (escape == LETTER_U) {
      for (let i: usize = 2; i < 6; i++) {
        if (hexDigit(getU8(at + i)) < 0) return faultAt(at + i);
      }
      at += 6;
    } else {
      if (unescaped(escape) == 0) return faultAt(at + 1);
      at += 2;
    }
  }
}

function numeral(at: Place): Place {
  if (getU8(at) == MINUS) at++;
  at = getU8(at) == 0x30 ? at + 1 : digits(at);
  if (at != 0 && getU8(at) == POINT) at = digits(at + 1);
  if (at != 0 && (getU8(at) | 0x20) == LETTER_E) {
    const sign = getU8(at + 1);
    at = digits(sign == PLUS || sign == MINUS ? at + 2 : at + 1);
  }
  return at;
}

/** At least one digit. */
function digits(at: Place): Place {
  if (getU8(at) - 0x30 > 9) return faultAt(at);
  do at++;
  while (getU8(at) - 0x30 <= 9);
  return at;
}

export function hexDigit(byte: u32): i32 {
  if (byte - 0x30 <= 9) return byte - 0x30;
  const letter = (byte | 0x20) - 0x61;
  return letter <= 5 ? letter + 10 : -1;
}

/** What a one-letter escape stands for; 0 when it is none. */
export function unescaped(escape: u32): u32 {
  switch (escape) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f:
      return escape;
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    default:
      return 0;
  }
}
