/**
 * An AMQP message as bytes (AMQP 3.2): where its sections and their fields lie. Checked as a whole before
 * anything of it is read; nothing is copied.
 */
import { ECHOED_BYTES_MAX } from "./limits.ts";
import {
  contentStart,
  descriptorAt,
  elementCount,
  firstElement,
  isBinary,
  isList,
  isMap,
  isText,
  MALFORMED,
  skipValue,
  textAt,
  TYPE,
  valueEnd,
} from "./value.ts";

export const SECTION = {
  HEADER: 0x70,
  DELIVERY_ANNOTATIONS: 0x71,
  MESSAGE_ANNOTATIONS: 0x72,
  PROPERTIES: 0x73,
  APPLICATION_PROPERTIES: 0x74,
  DATA: 0x75,
  SEQUENCE: 0x76,
  VALUE: 0x77,
  FOOTER: 0x78,
} as const;

/** Places in the properties section. */
export const FIELD = {
  MESSAGE_ID: 0,
  USER_ID: 1,
  TO: 2,
  SUBJECT: 3,
  REPLY_TO: 4,
  CORRELATION_ID: 5,
  CONTENT_TYPE: 6,
  CONTENT_ENCODING: 7,
  ABSOLUTE_EXPIRY_TIME: 8,
  CREATION_TIME: 9,
} as const;

const isId = (code: number): boolean =>
  isText(code) ||
  isBinary(code) ||
  code === TYPE.UUID ||
  code === TYPE.ULONG ||
  code === TYPE.SMALL_ULONG ||
  code === TYPE.ULONG0;
const isTime = (code: number): boolean => code === TYPE.TIMESTAMP;
const isAny = (): boolean => true;

/** Text may be a string where a symbol belongs, and the other way round: clients differ. */
const PROPERTY_TYPES: readonly ((code: number) => boolean)[] = [
  isId,
  isBinary,
  isText,
  isText,
  isText,
  isId,
  isText,
  isText,
  isTime,
  isTime,
  isText,
  isAny,
  isText,
];

/** One message at a time: the sections of the last one that was read. */
export class MessageReader {
  bytes: Buffer = Buffer.alloc(0);
  /** Places of maps, or -1. */
  annotations = -1;
  applicationProperties = -1;
  /** Place of each field of the properties section, or -1. */
  readonly fields = new Int32Array(PROPERTY_TYPES.length);
  /** Place of the first body section's value, or -1. */
  body = -1;
  bodySection: number = SECTION.DATA;
  /** Body sections: several only when they are data. */
  bodySections = 0;
  end = 0;

  /** `false`: the bytes `[from, to)` are no message. They have to stay while it is looked at. */
  read(bytes: Buffer, from: number, to: number): boolean {
    this.bytes = bytes;
    this.annotations = this.applicationProperties = this.body = -1;
    this.bodySections = 0;
    this.fields.fill(-1);
    this.end = to;
    let last = 0;
    for (let at = from; at < to;) {
      const end = valueEnd(bytes, at, to);
      const section = end === MALFORMED ? -1 : descriptorAt(bytes, at);
      // Sections have an order, and only body sections come more than once.
      if (section < last || section > SECTION.FOOTER || section < SECTION.HEADER) return false;
      if (section === last && section !== SECTION.DATA && section !== SECTION.SEQUENCE) return false;
      if (!this.#take(section, skipValue(bytes, at + 1))) return false;
      last = section;
      at = end;
    }
    return true;
  }

  #take(section: number, value: number): boolean {
    const code = this.bytes[value]!;
    switch (section) {
      case SECTION.HEADER:
        return isList(code);
      case SECTION.PROPERTIES:
        return isList(code) && this.#takeProperties(value);
      case SECTION.MESSAGE_ANNOTATIONS:
        this.annotations = value;
        return isMap(code);
      case SECTION.APPLICATION_PROPERTIES:
        this.applicationProperties = value;
        return isMap(code);
      case SECTION.DELIVERY_ANNOTATIONS:
      case SECTION.FOOTER:
        return isMap(code);
      default:
        return this.#takeBody(section, value, code);
    }
  }

  #takeBody(section: number, value: number, code: number): boolean {
    if (this.body >= 0 && section !== this.bodySection) return false;
    if (this.body < 0) this.body = value;
    this.bodySection = section;
    this.bodySections++;
    return section !== SECTION.DATA || isBinary(code);
  }

  #takeProperties(list: number): boolean {
    const { bytes, fields } = this;
    const count = elementCount(bytes, list);
    if (count > fields.length) return false;
    let at = firstElement(bytes, list);
    for (let i = 0; i < count; i++) {
      const code = bytes[at]!;
      if (code !== TYPE.NULL) {
        if (!PROPERTY_TYPES[i]!(code)) return false;
        fields[i] = at;
      }
      at = skipValue(bytes, at);
    }
    return true;
  }

  /** The body's bytes as a view, or copied together; `null` when it has none that are bytes. */
  content(): Buffer | null {
    const { bytes, body } = this;
    // Microsoft's SDK and rhea write `null` for no body.
    if (body < 0 || bytes[body] === TYPE.NULL) return Buffer.alloc(0);
    if (this.bodySection === SECTION.DATA && this.bodySections > 1)
      return Buffer.concat([...this.dataSections()]);
    const code = bytes[body]!;
    return isBinary(code) || isText(code)
      ? bytes.subarray(contentStart(bytes, body), skipValue(bytes, body))
      : null;
  }

  /** The content of each data section, as a view. */
  *dataSections(): Generator<Buffer> {
    const { bytes } = this;
    let at = this.body;
    for (let i = 0; i < this.bodySections; i++) {
      const end = skipValue(bytes, at);
      yield bytes.subarray(contentStart(bytes, at), end);
      if (i + 1 < this.bodySections) at = skipValue(bytes, end + 1);
    }
  }

  /** Place of a map's value under a key, or -1. For requests; telemetry goes through each map once. */
  find(map: number, key: string): number {
    if (map < 0) return -1;
    const { bytes } = this;
    let at = firstElement(bytes, map);
    for (let i = elementCount(bytes, map); i > 0; i -= 2) {
      const value = skipValue(bytes, at);
      if (textAt(bytes, at) === key) return value;
      at = skipValue(bytes, value);
    }
    return -1;
  }

  /** Text of a map's value; `null` when there is none, or it is no text. */
  text(map: number, key: string): string | null {
    const at = this.find(map, key);
    return at < 0 ? null : textAt(this.bytes, at);
  }

  /** A field's encoding, copied: what is echoed, whatever its type is. `null` when it is absent, or too long for that. */
  rawField(field: number): Buffer | null {
    const at = this.fields[field]!;
    if (at < 0) return null;
    const end = skipValue(this.bytes, at);
    return end - at > ECHOED_BYTES_MAX ? null : Buffer.from(this.bytes.subarray(at, end));
  }
}
