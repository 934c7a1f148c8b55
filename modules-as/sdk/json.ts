/**
 * Reading JSON. `Json.parse` looks at all bytes once and keeps them; a member is found when it is asked for, so
 * what nobody asks for costs nothing more. As in JavaScript, the last of two members with one name counts.
 */
import {
  BACKSLASH,
  JSON_PADDING,
  LETTER_U,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  faultOf,
  firstItem,
  hexDigit,
  memberValue,
  nextItem,
  skipPlain,
  skipSpace,
  skipString,
  skipValue,
  unescaped,
} from "./json-scan";
import { Place, getU8, isText, move, placeOfArray, putText, scratch, setU8 } from "./memory";
import { takeArray, takeText, utf8Length } from "./memory";
import { readNumber } from "./number";

/** One value of a JSON text. Good for as long as it is held. */
export class Json {
  /** Where the last text that `parse` refused stops being JSON, in bytes; -1 when none was refused. */
  static faultAt: i32 = -1;

  /** `at` lies in `bytes`, which never moves, and lives as long as this. */
  private constructor(
    private readonly bytes: StaticArray<u8>,
    private readonly at: Place,
  ) {}

  /** For the SDK alone: the value of a text in utf-8 (a copy), or null when it is not JSON, or too deep (64). */
  static parse(place: Place, length: u32): Json | null {
    const bytes = takeArray(place, length, JSON_PADDING);
    const start = placeOfArray(bytes);
    const fault = faultOf(start, start + length);
    if (fault != 0) {
      Json.faultAt = (fault - start) as i32;
      return null;
    }
    return new Json(bytes, skipSpace(start));
  }

  /** The value of a text, or null when it is not JSON. */
  static fromText(text: string): Json | null {
    const length = utf8Length(text);
    const place = scratch(length);
    putText(place, text);
    return Json.parse(place, length);
  }

  get isObject(): bool {
    return getU8(this.at) == OPEN_OBJECT;
  }
  get isArray(): bool {
    return getU8(this.at) == OPEN_ARRAY;
  }
  get isString(): bool {
    return getU8(this.at) == QUOTE;
  }
  get isNumber(): bool {
    return isNumber(this.at);
  }
  get isBoolean(): bool {
    return isBoolean(this.at);
  }
  get isNull(): bool {
    return getU8(this.at) == 0x6e;
  }

  // Members of an object. A value of another kind is as good as none.

  has(name: string): bool {
    return find(this.at, name) != 0;
  }
  get(name: string): Json | null {
    const at = find(this.at, name);
    return at == 0 ? null : new Json(this.bytes, at);
  }
  number(name: string, fallback: f64 = NaN): f64 {
    const at = find(this.at, name);
    return at != 0 && isNumber(at) ? readNumber(at, skipValue(at)) : fallback;
  }
  string(name: string, fallback: string | null = null): string | null {
    const at = find(this.at, name);
    return at != 0 && getU8(at) == QUOTE ? textOf(at + 1, skipString(at) - 1) : fallback;
  }
  boolean(name: string, fallback: bool = false): bool {
    const at = find(this.at, name);
    return at != 0 && isBoolean(at) ? getU8(at) == 0x74 : fallback;
  }
  object(name: string): Json | null {
    const at = find(this.at, name);
    return at != 0 && getU8(at) == OPEN_OBJECT ? new Json(this.bytes, at) : null;
  }
  array(name: string): Array<Json> | null {
    const at = find(this.at, name);
    return at != 0 && getU8(at) == OPEN_ARRAY ? new Json(this.bytes, at).items() : null;
  }
  /** The value behind names with dots between them: `machine.temperature`. */
  path(names: string): Json | null {
    let at = this.at;
    for (let from = 0; at != 0;) {
      const to = names.indexOf(".", from);
      if (to < 0) {
        at = find(at, from == 0 ? names : names.substring(from));
        break;
      }
      at = find(at, names.substring(from, to));
      from = to + 1;
    }
    return at == 0 ? null : new Json(this.bytes, at);
  }
  /** Names of the members, in their order. */
  keys(): Array<string> {
    const found = new Array<string>();
    if (!this.isObject) return found;
    for (let at = firstItem(this.at); at != 0;) {
      const end = skipString(at);
      found.push(textOf(at + 1, end - 1));
      at = nextItem(skipValue(memberValue(end)));
    }
    return found;
  }

  /** Elements of an array; empty for anything else. */
  items(): Array<Json> {
    const found = new Array<Json>();
    if (!this.isArray) return found;
    for (let at = firstItem(this.at); at != 0; at = nextItem(skipValue(at)))
      found.push(new Json(this.bytes, at));
    return found;
  }

  // The value itself

  asNumber(fallback: f64 = NaN): f64 {
    return isNumber(this.at) ? readNumber(this.at, skipValue(this.at)) : fallback;
  }
  asString(fallback: string | null = null): string | null {
    return this.isString ? textOf(this.at + 1, skipString(this.at) - 1) : fallback;
  }
  asBoolean(fallback: bool = false): bool {
    return isBoolean(this.at) ? getU8(this.at) == 0x74 : fallback;
  }
  /** As it was written. */
  toString(): string {
    return takeText(this.at, (skipValue(this.at) - this.at) as u32);
  }
}

function isNumber(at: Place): bool {
  const first = getU8(at);
  return first == 0x2d || first - 0x30 <= 9;
}
function isBoolean(at: Place): bool {
  const first = getU8(at);
  return first == 0x74 || first == 0x66;
}

/** Where the value of a member of the object at `object` begins; 0 when there is no object, or no such member. */
function find(object: Place, name: string): Place {
  if (getU8(object) != OPEN_OBJECT) return 0;
  let found: Place = 0;
  for (let at = firstItem(object); at != 0;) {
    const end = skipString(at);
    const value = memberValue(end);
    if (isKey(at + 1, end - 1, name)) found = value;
    at = nextItem(skipValue(value));
  }
  return found;
}

function isKey(from: Place, to: Place, name: string): bool {
  // Most keys are other keys, and shorter or longer ones at that.
  if (isText(from, (to - from) as u32, name)) return true;
  return skipPlain(from) < to && textOf(from, to) == name;
}

/** A string without its quotes. Escapes are undone in utf-8, where each becomes shorter. */
function textOf(from: Place, to: Place): string {
  let at = skipPlain(from);
  if (at == to) return takeText(from, (to - from) as u32);
  const plain = scratch((to - from) as u32);
  let end = plain;
  while (true) {
    move(end, from, (at - from) as u32);
    end += at - from;
    if (at == to) return takeText(plain, (end - plain) as u32);
    const escape = getU8(at + 1);
    if (escape != LETTER_U) {
      setU8(end++, unescaped(escape));
      from = at + 2;
    } else {
      let point = hex4(at + 2);
      from = at + 6;
      const isPair = (point & 0xfc00) == 0xd800 && getU8(from) == BACKSLASH && getU8(from + 1) == LETTER_U;
      const low = isPair ? hex4(from + 2) : 0;
      if ((low & 0xfc00) == 0xdc00) {
        point = 0x10000 + ((point & 0x3ff) << 10) + (low & 0x3ff);
        from += 6;
      }
      end = putPoint(end, point);
    }
    at = skipPlain(from);
  }
}

function hex4(at: Place): u32 {
  let point: u32 = 0;
  for (let i: usize = 0; i < 4; i++) point = (point << 4) | hexDigit(getU8(at + i));
  return point;
}

/** A character in utf-8; returns the byte behind it. */
function putPoint(at: Place, point: u32): Place {
  if (point < 0x80) {
    setU8(at, point);
    return at + 1;
  }
  let shift = point < 0x800 ? 6 : point < 0x10000 ? 12 : 18;
  setU8(at++, ((0xff00 >>> (shift / 6 + 1)) & 0xff) | (point >>> shift));
  for (shift -= 6; shift >= 0; shift -= 6) setU8(at++, 0x80 | ((point >>> shift) & 63));
  return at;
}
