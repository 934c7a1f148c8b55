/**
 * A message as a handler sees it: a view of the bytes that the host wrote, and nothing is decoded before it is
 * asked for. One object serves all messages, so it is good until its handler returns; what shall live longer
 * (a text, a body) is a copy already.
 */
import { EFFECT, EFFECT_HEADER, ENTRY, FRAME, PROPERTY, PROPERTY_ID, VERDICT } from "./abi";
import { Emission, emitCopy } from "./emit";
import { Json } from "./json";
import { Place, align4, align8, getF64, getU16, getU32, getU8, isText, move } from "./memory";
import { putText, setU32, takeBytes, takeText, utf8Length, zero } from "./memory";
import { propertyText } from "./property";
import { beginEffect, portOf } from "./result";
import { sourceName } from "./source";

/** Longest reason of a dead letter, in UTF-16 units. */
const REASON_LENGTH_MAX: i32 = 1024;

export class Message {
  private entry: Place = 0;
  private frame: Place = 0;
  private index: u32 = 0;
  /** The body as JSON, once it was asked for. */
  private parsed: Json | null = null;

  /** For the dispatch alone: the message is now record `index` of the batch, at `entry`. */
  moveTo(entry: Place, index: u32): void {
    this.entry = entry;
    this.frame = entry + getU16(entry + ENTRY.HEADER);
    this.index = index;
    this.parsed = null;
  }

  /** Who sent it: `device`, or `device/module`. */
  get source(): string {
    return sourceName(getU32(this.frame + FRAME.SOURCE));
  }
  /** When the hub took it, milliseconds since 1970. */
  get enqueuedTime(): f64 {
    return getF64(this.frame + FRAME.ENQUEUED);
  }
  /** How many times handling it has failed before. */
  get attempt(): u32 {
    return getU8(this.entry + ENTRY.ATTEMPT);
  }
  /** 32 hex digits, the same wherever this message goes, and nobody else's ever. */
  get uid(): string {
    let text = "";
    for (let i: usize = 0; i < 16; i++) {
      const byte = getU8(this.frame + FRAME.UID + i);
      text += (byte >>> 4).toString(16) + (byte & 15).toString(16);
    }
    return text;
  }

  get messageId(): string | null {
    return this.systemProperty(PROPERTY_ID.MESSAGE_ID);
  }
  get correlationId(): string | null {
    return this.systemProperty(PROPERTY_ID.CORRELATION_ID);
  }
  get contentType(): string | null {
    return this.systemProperty(PROPERTY_ID.CONTENT_TYPE);
  }
  get contentEncoding(): string | null {
    return this.systemProperty(PROPERTY_ID.CONTENT_ENCODING);
  }

  /** Value of an application property, as text; null when it is absent, or has none. */
  property(name: string): string | null {
    const frame = this.frame;
    const start = this.sections + align8(getU32(frame + FRAME.SYS));
    return find(start, start + getU32(frame + FRAME.APP), 0, name);
  }

  get bodyLength(): u32 {
    return getU32(this.frame + FRAME.BODY);
  }
  /** A copy of the body, made anew by each call. */
  get body(): Uint8Array {
    return takeBytes(this.bodyStart, this.bodyLength);
  }
  /** The body as utf-8. */
  text(): string {
    return takeText(this.bodyStart, this.bodyLength);
  }

  /** The body as JSON. A trap when it is something else: the message goes to the dead letters, and says why. */
  json(): Json {
    const json = this.tryJson();
    if (json === null) throw new Error(`message body is not JSON at byte ${Json.faultAt.toString()}`);
    return json;
  }
  /** The body as JSON, or null when it is something else. */
  tryJson(): Json | null {
    if (this.parsed === null) this.parsed = Json.parse(this.bodyStart, this.bodyLength);
    return this.parsed;
  }

  /** Sends the message on as it is. It is not copied, not even by the host. */
  forward(output: string): void {
    const payload = beginEffect(EFFECT.PASS, portOf(output), 8) + EFFECT_HEADER.SIZE;
    setU32(payload, this.index);
    setU32(payload + 4, 0);
  }

  /** Sends a copy, body and properties, that can be added to. */
  copyTo(output: string): Emission {
    return emitCopy(output, this.frame);
  }

  /**
   * Gives the message up, without a trap: it goes to the dead letters with this reason. What the handler sent
   * or stored stays sent and stored, so reject first, and return.
   */
  reject(reason: string): void {
    const text = reason.length > REASON_LENGTH_MAX ? reason.substring(0, REASON_LENGTH_MAX) : reason;
    const length = utf8Length(text);
    const bytes = align8(8 + length);
    const payload = beginEffect(EFFECT.VERDICT, 0, bytes) + EFFECT_HEADER.SIZE;
    zero(payload + bytes - 8, 8);
    setU32(payload, VERDICT.DEAD_LETTER);
    setU32(payload + 4, 0);
    putText(payload + 8, text);
  }

  private get sections(): Place {
    return this.frame + getU16(this.frame + FRAME.HEADER);
  }

  private get bodyStart(): Place {
    const frame = this.frame;
    const sys = align8(getU32(frame + FRAME.SYS));
    const app = align8(getU32(frame + FRAME.APP));
    return this.sections + sys + app + align8(getU32(frame + FRAME.EXT));
  }

  private systemProperty(id: u32): string | null {
    const start = this.sections;
    return find(start, start + getU32(this.frame + FRAME.SYS), id, "");
  }
}

function find(at: Place, end: Place, id: u32, name: string): string | null {
  while (at < end) {
    const nameBytes = getU16(at + PROPERTY.NAME_LEN);
    const isFound =
      getU16(at + PROPERTY.NAME_ID) == id && (id != 0 || isText(at + PROPERTY.SIZE, nameBytes, name));
    if (isFound) return propertyText(at);
    at += align4(PROPERTY.SIZE + nameBytes + getU32(at + PROPERTY.VALUE_LEN));
  }
  return null;
}
