/**
 * Between AMQP messages and frames (contract §5.4), both ways and pure. What the hub itself knows of a message,
 * its sender above all, never comes out of one: those names are dropped on the way in and written from the
 * source on the way out, so no sender can pass for another.
 */
import {
  appLength,
  appStart,
  bodyLength,
  bodyStart,
  frameEnqueued,
  MESSAGE_BYTES_MAX,
  PROPERTY,
  PROPERTY_ID,
  PROPERTY_TYPE,
  propertyLength,
  propertyValue,
  SYSTEM_PROPERTIES,
  sysLength,
  sysStart,
  type Block,
  type Sections,
} from "../../abi/index.ts";
import type { AmqpIdentity } from "./handler.ts";
import { FIELD, SECTION, type MessageReader } from "./message.ts";
import { HUB_MODULE } from "../sources.ts";
import { PropertyScratch, textBytes } from "./property-sections.ts";
import { contentStart, elementCount, firstElement, isText, skipValue, TYPE } from "./value.ts";
import type { Writer } from "./writer.ts";

/** Fields of the properties section that are system properties: by place, the property's id. */
const ID_OF_FIELD: readonly number[] = [
  PROPERTY_ID.MESSAGE_ID,
  PROPERTY_ID.USER_ID,
  PROPERTY_ID.TO,
  0, // subject
  0, // reply-to
  PROPERTY_ID.CORRELATION_ID,
  PROPERTY_ID.CONTENT_TYPE,
  PROPERTY_ID.CONTENT_ENCODING,
  PROPERTY_ID.EXPIRY,
  PROPERTY_ID.CREATION_TIME,
];

/** Names of annotations and application properties that are system properties. */
const ANNOTATIONS: ReadonlyMap<string, number> = new Map([
  ["iothub-interface-id", PROPERTY_ID.INTERFACE_ID],
  ["dt-subject", PROPERTY_ID.SUBJECT],
]);
const APPLICATION: ReadonlyMap<string, number> = new Map([
  ["iothub-message-schema", PROPERTY_ID.MESSAGE_SCHEMA],
  ["iothub-creation-time-utc", PROPERTY_ID.CREATION_TIME],
  ["iothub-operation", PROPERTY_ID.OPERATION],
  ["iothub-ack", PROPERTY_ID.ACK],
]);
const OUTPUT_NAME = "iothub-outputname";
/** The hub's to set: no sender's word for them is taken. */
const HUB_NAMES: ReadonlySet<string> = new Set([
  "iothub-connection-device-id",
  "iothub-connection-module-id",
  "iothub-enqueuedtime",
  "iothub-MessageType",
  "$.on",
  "$.cdid",
  "$.cmid",
]);
const RESERVED_PREFIXES = ["iothub-", "$."];

export interface Incoming {
  readonly output: string | null;
  readonly sections: Sections;
  readonly body: Buffer;
}

export type IncomingFault = "malformed" | "too_large";

const sys = new PropertyScratch();
const app = new PropertyScratch();

/** The message that `reader` has read. `body` is a view, as long as the reader's bytes are. */
export function toFrameParts(reader: MessageReader): Incoming | IncomingFault {
  const body = reader.content();
  if (body === null) return "malformed";
  sys.reset();
  app.reset();
  const { bytes, fields } = reader;
  for (let field = 0; field < ID_OF_FIELD.length; field++) {
    const at = fields[field]!;
    const id = ID_OF_FIELD[field]!;
    if (at < 0 || id === 0) continue;
    // Binary by type, text by use (contract §5.4).
    if (id === PROPERTY_ID.USER_ID)
      sys.putText(id, textBytes(bytes, contentStart(bytes, at), skipValue(bytes, at)));
    else if (!sys.put(id, bytes, 0, 0, at)) return "malformed";
  }
  if (!takeAnnotations(reader)) return "malformed";
  const output = takeApplicationProperties(reader);
  if (output === false) return "malformed";
  // A message counts with its properties (contract §9).
  if (body.length + sys.length + app.length > MESSAGE_BYTES_MAX) return "too_large";
  const sections = { sys: sys.copy(), sysLength: sys.length, app: app.copy(), appLength: app.length };
  return { output, sections, body };
}

/** Of the annotations only those that mean something are kept. */
function takeAnnotations({ bytes, annotations }: MessageReader): boolean {
  if (annotations < 0) return true;
  let at = firstElement(bytes, annotations);
  for (let i = elementCount(bytes, annotations); i > 0; i -= 2) {
    const value = skipValue(bytes, at);
    const id = isText(bytes[at]!) ? ANNOTATIONS.get(nameAt(bytes, at)) : undefined;
    if (id !== undefined && !sys.put(id, bytes, 0, 0, value)) return false;
    at = skipValue(bytes, value);
  }
  return true;
}

/** The output's name, or `null`; `false` when there are too many properties, or one has no name. */
function takeApplicationProperties({ bytes, applicationProperties }: MessageReader): string | null | false {
  if (applicationProperties < 0) return null;
  let output: string | null = null;
  let at = firstElement(bytes, applicationProperties);
  for (let i = elementCount(bytes, applicationProperties); i > 0; i -= 2) {
    const value = skipValue(bytes, at);
    if (!isText(bytes[at]!)) return false;
    const from = contentStart(bytes, at);
    if (!mayBeReserved(bytes, from)) {
      if (!app.put(0, bytes, from, value, value)) return false;
    } else {
      const name = nameAt(bytes, at);
      const id = APPLICATION.get(name);
      if (name === OUTPUT_NAME) output = isText(bytes[value]!) ? nameAt(bytes, value) || null : null;
      else if (id !== undefined) {
        if (!sys.put(id, bytes, 0, 0, value)) return false;
      } else if (!HUB_NAMES.has(name) && !app.put(0, bytes, from, value, value)) return false;
    }
    at = skipValue(bytes, value);
  }
  return output;
}

const nameAt = (bytes: Buffer, at: number): string =>
  bytes.toString("utf8", contentStart(bytes, at), skipValue(bytes, at));

/** Most names are the sender's own, and need no string to know it. */
function mayBeReserved(bytes: Buffer, from: number): boolean {
  const first = bytes[from];
  return RESERVED_PREFIXES.some((prefix) => prefix.charCodeAt(0) === first);
}

// ---- Out ----

/** What differs per delivery. */
export interface Delivery {
  readonly input: string | null;
  /** `null`: of a message to a device. */
  readonly sender: AmqpIdentity | null;
  /** Deliveries before this one. */
  readonly attempts: number;
  readonly sequence: number;
  /** Of a message to a device. */
  readonly lockToken: string | null;
}

/** Place of each system property of the frame that is written, or -1. */
const places = new Int32Array(SYSTEM_PROPERTIES.length);

/** Writes the frame at `at` as a message of its own. */
export function writeMessage(writer: Writer, block: Block, at: number, delivery: Delivery): void {
  places.fill(-1);
  const from = sysStart(block, at);
  const to = from + sysLength(block, at);
  for (let p = from; p < to;) {
    const length = propertyLength(block, p, to);
    if (length < 0) break;
    const id = block.u16[(p + PROPERTY.NAME_ID) >> 1]!;
    if (id < places.length) places[id] = p;
    p += length;
  }
  writeHeader(writer, delivery.attempts);
  writeAnnotations(writer, block, at, delivery);
  writeProperties(writer, block);
  writeApplicationProperties(writer, block, at);
  writer.described(SECTION.DATA);
  const body = bodyStart(block, at);
  writer.content(TYPE.BINARY8, block.u8, body, body + bodyLength(block, at));
}

function writeHeader(writer: Writer, attempts: number): void {
  if (attempts === 0) return;
  writer.described(SECTION.HEADER);
  const list = writer.open(TYPE.LIST32);
  writer.boolean(true);
  writer.null();
  writer.null();
  writer.boolean(false);
  writer.uint(attempts);
  writer.close(list, 5);
}

function writeAnnotations(writer: Writer, block: Block, at: number, delivery: Delivery): void {
  const { input, sender, attempts, sequence, lockToken } = delivery;
  writer.described(SECTION.MESSAGE_ANNOTATIONS);
  const map = writer.open(TYPE.MAP32);
  let count = 3;
  writer.symbol("iothub-enqueuedtime");
  writer.timestamp(frameEnqueued(block, at));
  writer.symbol("iothub-deliverycount");
  writer.ubyte(Math.min(attempts, 255));
  writer.symbol("x-opt-sequence-number");
  writer.ulong(sequence);
  if (sender !== null) count += writeSender(writer, block, sender);
  if (lockToken !== null) {
    writer.symbol("x-opt-lock-token");
    writer.string(lockToken);
    writer.symbol("x-opt-enqueued-time");
    writer.timestamp(frameEnqueued(block, at));
    writer.symbol("x-opt-delivery-count");
    writer.uint(attempts);
    count += 3;
  }
  if (input !== null) {
    writer.symbol("x-opt-input-name");
    writer.string(input);
    count++;
  }
  for (const [name, id] of ANNOTATIONS) {
    if (places[id]! < 0) continue;
    writer.symbol(name);
    writeValue(writer, block, places[id]!);
    count++;
  }
  writer.close(map, 2 * count);
}

/** Returns how many annotations that were. */
function writeSender(writer: Writer, block: Block, sender: AmqpIdentity): number {
  // A change of a twin is sent by the hub, and told of as if whoever it is about had sent it.
  const { deviceId, moduleId } = sender.moduleId === HUB_MODULE ? (changedTwin(block) ?? sender) : sender;
  writer.symbol("iothub-connection-device-id");
  writer.string(deviceId);
  if (moduleId === null) return 1;
  writer.symbol("iothub-connection-module-id");
  writer.string(moduleId);
  return 2;
}

function changedTwin(block: Block): AmqpIdentity | null {
  const deviceId = textAt(block, PROPERTY_ID.CHANGED_DEVICE_ID);
  return deviceId === null ? null : { deviceId, moduleId: textAt(block, PROPERTY_ID.CHANGED_MODULE_ID) };
}

/** Of a system property of the frame that is written; `null` without it. */
const textAt = (block: Block, id: number): string | null =>
  places[id]! < 0 ? null : propertyValue(block, places[id]!);

function writeProperties(writer: Writer, block: Block): void {
  let last = ID_OF_FIELD.length - 1;
  while (last >= 0 && places[ID_OF_FIELD[last]!]! < 0) last--;
  if (last < 0) return;
  writer.described(SECTION.PROPERTIES);
  const list = writer.open(TYPE.LIST32);
  for (let field = 0; field <= last; field++) {
    const place = places[ID_OF_FIELD[field]!]!;
    if (place < 0) writer.null();
    else writeField(writer, block, field, place);
  }
  writer.close(list, last + 1);
}

/** AMQP gives each field one type; a property that is text has to become it. */
function writeField(writer: Writer, block: Block, field: number, place: number): void {
  const type = block.u8[place + PROPERTY.TYPE]!;
  switch (field) {
    case FIELD.MESSAGE_ID:
    case FIELD.CORRELATION_ID:
      if (ID_TYPES.has(type)) writeValue(writer, block, place);
      else writer.string(propertyValue(block, place) ?? "");
      return;
    case FIELD.USER_ID: {
      const text = Buffer.from(propertyValue(block, place) ?? "");
      return writer.content(TYPE.BINARY8, text, 0, text.length);
    }
    case FIELD.ABSOLUTE_EXPIRY_TIME:
    case FIELD.CREATION_TIME: {
      const ms = Date.parse(propertyValue(block, place) ?? "");
      return Number.isNaN(ms) ? writer.null() : writer.timestamp(ms);
    }
    case FIELD.TO:
      return writer.string(propertyValue(block, place) ?? "");
    default:
      return writer.symbol(propertyValue(block, place) ?? "");
  }
}

const ID_TYPES: ReadonlySet<number> = new Set([
  PROPERTY_TYPE.UTF8,
  PROPERTY_TYPE.UUID,
  PROPERTY_TYPE.U64,
  PROPERTY_TYPE.BINARY,
]);

function writeApplicationProperties(writer: Writer, block: Block, at: number): void {
  const from = appStart(block, at);
  const to = from + appLength(block, at);
  writer.described(SECTION.APPLICATION_PROPERTIES);
  const map = writer.open(TYPE.MAP32);
  let count = 0;
  for (const [name, id] of APPLICATION) {
    // Creation time has a field, and this name only when that cannot hold it.
    if (places[id]! < 0 || id === PROPERTY_ID.CREATION_TIME) continue;
    writer.string(name);
    writeValue(writer, block, places[id]!);
    count++;
  }
  for (let p = from; p < to;) {
    const length = propertyLength(block, p, to);
    if (length < 0) break;
    const name = p + PROPERTY.SIZE;
    const nameLength = block.u16[(p + PROPERTY.NAME_LEN) >> 1]!;
    if (block.u16[(p + PROPERTY.NAME_ID) >> 1] === 0 && nameLength > 0) {
      writer.content(TYPE.STRING8, block.u8, name, name + nameLength);
      writeValue(writer, block, p);
      count++;
    }
    p += length;
  }
  writer.close(map, 2 * count);
}

/** The value of the property at a place, as its type says. A guest may have written any bytes. */
function writeValue(writer: Writer, block: Block, place: number): void {
  const { u8 } = block;
  const type = u8[place + PROPERTY.TYPE]!;
  const from = place + PROPERTY.SIZE + block.u16[(place + PROPERTY.NAME_LEN) >> 1]!;
  const length = block.u32[(place + PROPERTY.VALUE_LEN) >> 2]!;
  const width = WIDTHS.get(type);
  if (width !== undefined && width !== length) return writer.null();
  switch (type) {
    case PROPERTY_TYPE.UTF8:
      return writer.content(TYPE.STRING8, u8, from, from + length);
    case PROPERTY_TYPE.BINARY:
      return writer.content(TYPE.BINARY8, u8, from, from + length);
    case PROPERTY_TYPE.BOOL:
      return writer.boolean(u8[from] !== 0);
    case PROPERTY_TYPE.I64:
      return writer.swapped(TYPE.LONG, u8, from);
    case PROPERTY_TYPE.U64:
      return writer.swapped(TYPE.ULONG, u8, from);
    case PROPERTY_TYPE.F64:
      return writer.swapped(TYPE.DOUBLE, u8, from);
    case PROPERTY_TYPE.TIME: {
      const ms = u8.readDoubleLE(from);
      return Math.abs(ms) <= TIME_MS_MAX ? writer.timestamp(Math.trunc(ms)) : writer.null();
    }
    case PROPERTY_TYPE.UUID:
      writer.byte(TYPE.UUID);
      return writer.raw(u8, from, from + 16);
    default:
      return writer.null();
  }
}

/** What a `Date` can hold. */
const TIME_MS_MAX = 8.64e15;
const WIDTHS: ReadonlyMap<number, number> = new Map([
  [PROPERTY_TYPE.BOOL, 1],
  [PROPERTY_TYPE.I64, 8],
  [PROPERTY_TYPE.U64, 8],
  [PROPERTY_TYPE.F64, 8],
  [PROPERTY_TYPE.TIME, 8],
  [PROPERTY_TYPE.UUID, 16],
]);
