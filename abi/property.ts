/**
 * Properties of a message: typed values under a well-known id or an inline name. System properties are
 * IoT Hub's; what the hub itself knows of a message (who sent it, through which output, when) is in the
 * frame header, and is not repeated here.
 */
import { align4, type Block } from "./block.ts";
import { PROPERTY } from "./layout.ts";

export const PROPERTY_TYPE = {
  NULL: 0,
  UTF8: 1,
  BOOL: 2,
  I64: 3,
  F64: 4,
  TIME: 5,
  BINARY: 6,
  UUID: 7,
  U64: 8,
} as const;

/**
 * System properties by id: the name in route queries, and the key in an MQTT property bag (contract §3.3,
 * §4.6). The position is the id: append only.
 */
export const SYSTEM_PROPERTIES: readonly { readonly name: string; readonly bag: string }[] = [
  { name: "", bag: "" },
  { name: "messageId", bag: "$.mid" },
  { name: "correlationId", bag: "$.cid" },
  { name: "userId", bag: "$.uid" },
  { name: "to", bag: "$.to" },
  { name: "absolute-expiry-time", bag: "$.exp" },
  { name: "contentType", bag: "$.ct" },
  { name: "contentEncoding", bag: "$.ce" },
  { name: "messageSchema", bag: "$.schema" },
  { name: "creationTime", bag: "$.ctime" },
  { name: "iothub-interface-id", bag: "$.ifid" },
  { name: "dt-subject", bag: "$.sub" },
  { name: "ack", bag: "ack" },
  { name: "operation", bag: "iothub-operation" },
  { name: "messageType", bag: "iothub-MessageType" },
  // Whose twin has changed, in a notification of that. In a bag it stands for the sender.
  { name: "rpSenderDeviceId", bag: "" },
  { name: "rpSenderModuleId", bag: "" },
];

export const PROPERTY_ID = {
  MESSAGE_ID: 1,
  CORRELATION_ID: 2,
  USER_ID: 3,
  TO: 4,
  EXPIRY: 5,
  CONTENT_TYPE: 6,
  CONTENT_ENCODING: 7,
  MESSAGE_SCHEMA: 8,
  CREATION_TIME: 9,
  INTERFACE_ID: 10,
  SUBJECT: 11,
  ACK: 12,
  OPERATION: 13,
  MESSAGE_TYPE: 14,
  CHANGED_DEVICE_ID: 15,
  CHANGED_MODULE_ID: 16,
} as const;

export interface Property {
  /** Well-known id, or 0 when `name` is inline. */
  readonly id: number;
  readonly name: string;
  readonly type: number;
  /** Text form, as route queries see it; `null` for a key without a value. */
  readonly value: string | null;
}

const utf8 = new TextEncoder();

/** A section of text (or null) properties, padded to 8 at its end by whoever places it. */
export function encodeProperties(
  properties: readonly { readonly id?: number; readonly name?: string; readonly value: string | null }[],
): Buffer {
  const parts: Buffer[] = [];
  for (const { id = 0, name = "", value } of properties) {
    const nameBytes = id === 0 ? utf8.encode(name) : new Uint8Array(0);
    const valueBytes = value === null ? new Uint8Array(0) : utf8.encode(value);
    const part = Buffer.alloc(align4(PROPERTY.SIZE + nameBytes.length + valueBytes.length));
    part.writeUInt16LE(id, PROPERTY.NAME_ID);
    part[PROPERTY.TYPE] = value === null ? PROPERTY_TYPE.NULL : PROPERTY_TYPE.UTF8;
    part.writeUInt16LE(nameBytes.length, PROPERTY.NAME_LEN);
    part.writeUInt32LE(valueBytes.length, PROPERTY.VALUE_LEN);
    part.set(nameBytes, PROPERTY.SIZE);
    part.set(valueBytes, PROPERTY.SIZE + nameBytes.length);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Bytes that one property takes, or -1 when it does not lie within `[at, end)`. */
export function propertyLength(block: Block, at: number, end: number): number {
  if (at + PROPERTY.SIZE > end) return -1;
  const name = block.u16[(at + PROPERTY.NAME_LEN) >> 1]!;
  const value = block.u32[(at + PROPERTY.VALUE_LEN) >> 2]!;
  // A length near 2^32 would wrap in `align4` and come out small.
  if (name + value > end - at) return -1;
  const length = align4(PROPERTY.SIZE + name + value);
  return at + length > end ? -1 : length;
}

/** The value at a property, as text (or `null`). */
export function propertyValue(block: Block, at: number): string | null {
  const type = block.u8[at + PROPERTY.TYPE]!;
  const start = at + PROPERTY.SIZE + block.u16[(at + PROPERTY.NAME_LEN) >> 1]!;
  const end = start + block.u32[(at + PROPERTY.VALUE_LEN) >> 2]!;
  switch (type) {
    case PROPERTY_TYPE.NULL:
      return null;
    case PROPERTY_TYPE.UTF8:
      return block.u8.toString("utf8", start, end);
    case PROPERTY_TYPE.BOOL:
      return block.u8[start] === 0 ? "false" : "true";
    case PROPERTY_TYPE.I64:
    case PROPERTY_TYPE.U64:
      if (end - start !== 8) return null;
      return String(
        type === PROPERTY_TYPE.I64 ? block.u8.readBigInt64LE(start) : block.u8.readBigUInt64LE(start),
      );
    case PROPERTY_TYPE.F64:
      return end - start === 8 ? String(block.u8.readDoubleLE(start)) : null;
    case PROPERTY_TYPE.TIME:
      return end - start === 8 ? isoTime(block.u8.readDoubleLE(start)) : null;
    case PROPERTY_TYPE.UUID:
      return end - start === 16 ? uuid(block.u8.toString("hex", start, end)) : null;
    default:
      return block.u8.toString("base64", start, end);
  }
}

const uuid = (hex: string): string =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");

/** A guest may write any bits as a time; those that are none have no text. */
function isoTime(ms: number): string | null {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}

export function propertyName(block: Block, at: number): string {
  const id = block.u16[(at + PROPERTY.NAME_ID) >> 1]!;
  if (id !== 0) return SYSTEM_PROPERTIES[id]?.name ?? "";
  const start = at + PROPERTY.SIZE;
  return block.u8.toString("utf8", start, start + block.u16[(at + PROPERTY.NAME_LEN) >> 1]!);
}

/** All properties of the section `[at, end)`. Stops at the first malformed one; a validated frame has none. */
export function decodeProperties(block: Block, at: number, end: number): Property[] {
  const found: Property[] = [];
  while (at < end) {
    const length = propertyLength(block, at, end);
    if (length < 0) break;
    const id = block.u16[(at + PROPERTY.NAME_ID) >> 1]!;
    const type = block.u8[at + PROPERTY.TYPE]!;
    found.push({ id, name: propertyName(block, at), type, value: propertyValue(block, at) });
    at += length;
  }
  return found;
}

/** Place of the property with a well-known id in `[at, end)`, or -1. */
export function findById(block: Block, at: number, end: number, id: number): number {
  while (at < end) {
    if (block.u16[(at + PROPERTY.NAME_ID) >> 1] === id) return at;
    const length = propertyLength(block, at, end);
    if (length < 0) return -1;
    at += length;
  }
  return -1;
}
