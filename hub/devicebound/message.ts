/** What a cloud-to-device message is made of, and what may not be in one (contract §9). Pure. */
import { randomUUID } from "node:crypto";
import {
  encodeProperties,
  findById,
  PROPERTIES_MAX,
  PROPERTY_ID,
  PROPERTY_NAME_BYTES_MAX,
  propertyValue,
  SandpiperError,
  sections,
  SYSTEM_PROPERTIES,
  sysLength,
  sysStart,
  type Block,
  type Sections,
} from "../../abi/index.ts";
import { ACKS, DEVICEBOUND_LIMITS, type Ack, type DeviceboundMessage } from "../face/devicebound.ts";

const TEXT_CHARS_MAX = 128;
/** Of other system properties there are six. */
const OWN_PROPERTIES_MAX = PROPERTIES_MAX - 8;
const FIELDS: ReadonlySet<string> = new Set([
  "body",
  "messageId",
  "correlationId",
  "userId",
  "contentType",
  "contentEncoding",
  "properties",
  "ack",
  "timeToLiveSecs",
  "expiry",
]);
/** They mean something in a property bag or in AMQP: a property of that name would arrive as another one. */
const RESERVED_PREFIXES = ["$.", "iothub-"];
const RESERVED: ReadonlySet<string> = new Set(SYSTEM_PROPERTIES.map(({ bag }) => bag));
/** With a zone: an instant, wherever it is read. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

/** Codes: SP_C2D_MESSAGE, SP_C2D_FULL, SP_C2D_MODULE. */
export class DeviceboundError extends SandpiperError {}

export interface DecodedMessage {
  readonly messageId: string;
  readonly sections: Sections;
  readonly body: Buffer;
  /** How long it may wait, as the store counts time, ms. */
  readonly waitsMs: number;
}

/**
 * @param message whoever it comes from: every field is checked
 * @param wallNow `null` while the wall clock cannot be believed
 * @throws {DeviceboundError} SP_C2D_MESSAGE
 */
export function decodeMessage(deviceId: string, message: unknown, wallNow: number | null): DecodedMessage {
  if (typeof message !== "object" || message === null) throw invalid("is no object");
  const unknown = Object.keys(message).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) throw invalid(`field "${unknown}" is not known`);
  const { body, properties = {}, ack = "none", ...rest } = message as Partial<DeviceboundMessage>;
  if (!(body instanceof Uint8Array)) throw invalid("has no body");
  if (!ACKS.includes(ack)) throw invalid(`ack ${quoted(ack)} is not one of ${ACKS.join(", ")}`);
  const messageId = textOf("messageId", rest.messageId) ?? randomUUID();
  const expiryMs = expiryOf(rest.expiry, rest.timeToLiveSecs, wallNow);
  const system = [
    { id: PROPERTY_ID.MESSAGE_ID, value: messageId },
    { id: PROPERTY_ID.TO, value: `/devices/${deviceId}/messages/devicebound` },
    { id: PROPERTY_ID.CORRELATION_ID, value: textOf("correlationId", rest.correlationId) },
    { id: PROPERTY_ID.USER_ID, value: textOf("userId", rest.userId) },
    { id: PROPERTY_ID.CONTENT_TYPE, value: textOf("contentType", rest.contentType) },
    { id: PROPERTY_ID.CONTENT_ENCODING, value: textOf("contentEncoding", rest.contentEncoding) },
    { id: PROPERTY_ID.EXPIRY, value: expiryMs === null ? null : new Date(expiryMs).toISOString() },
    { id: PROPERTY_ID.ACK, value: ack === "none" ? null : ack },
  ].filter(({ value }) => value !== null);
  const made = sections(encodeProperties(system), encodeProperties(ownProperties(properties)));
  const bytes = body.length + made.sysLength + made.appLength;
  if (bytes > DEVICEBOUND_LIMITS.bytesMax) {
    throw invalid(`has ${bytes} bytes with its properties, at most ${DEVICEBOUND_LIMITS.bytesMax}`);
  }
  const { max, default: usual } = DEVICEBOUND_LIMITS.timeToLiveSecs;
  const waitsSecs = expiryMs === null ? (rest.timeToLiveSecs ?? usual) : max;
  return {
    messageId,
    sections: made,
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    waitsMs: waitsSecs * 1000,
  };
}

/** The instant that it names; `null` when it names a time to live, or nothing. */
function expiryOf(expiry: unknown, timeToLiveSecs: unknown, wallNow: number | null): number | null {
  const { min, max } = DEVICEBOUND_LIMITS.timeToLiveSecs;
  if (timeToLiveSecs !== undefined) {
    if (expiry !== undefined) throw invalid("has an expiry and a time to live: one of them is enough");
    const isWhole = typeof timeToLiveSecs === "number" && Number.isInteger(timeToLiveSecs);
    if (isWhole && timeToLiveSecs >= min && timeToLiveSecs <= max) return null;
    throw invalid(`timeToLiveSecs ${quoted(timeToLiveSecs)} is not a whole number from ${min} to ${max}`);
  }
  if (expiry === undefined) return null;
  const ms = typeof expiry === "string" && INSTANT.test(expiry) ? Date.parse(expiry) : Number.NaN;
  if (Number.isNaN(ms)) throw invalid(`expiry ${quoted(expiry)} is no time, like 2026-01-31T12:00:00Z`);
  if (wallNow !== null && ms <= wallNow) throw invalid(`expiry ${quoted(expiry)} is over`);
  if (wallNow !== null && ms > wallNow + max * 1000) {
    throw invalid(`expiry ${quoted(expiry)} is more than ${max} s from now`);
  }
  return ms;
}

function textOf(field: string, value: unknown): string | null {
  if (value === undefined) return null;
  if (typeof value === "string" && value !== "" && value.length <= TEXT_CHARS_MAX) return value;
  throw invalid(`${field} ${quoted(value)} is no text of 1 to ${TEXT_CHARS_MAX} characters`);
}

function ownProperties(properties: unknown): { readonly name: string; readonly value: string }[] {
  if (typeof properties !== "object" || properties === null || Array.isArray(properties)) {
    throw invalid("properties are no object of texts");
  }
  const own = Object.entries(properties).map(([name, value]: [string, unknown]) => {
    if (typeof value !== "string") throw invalid(`property ${quoted(name)} is no text`);
    if (name === "" || Buffer.byteLength(name) > PROPERTY_NAME_BYTES_MAX) {
      throw invalid(`property ${quoted(name)} has no name of 1 to ${PROPERTY_NAME_BYTES_MAX} bytes`);
    }
    if (RESERVED.has(name) || RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix))) {
      throw invalid(`property ${quoted(name)} has a name that means something else`);
    }
    return { name, value };
  });
  if (own.length > OWN_PROPERTIES_MAX) {
    throw invalid(`has ${own.length} properties, at most ${OWN_PROPERTIES_MAX}`);
  }
  return own;
}

/** A stranger's value, in a message for people. */
const QUOTED_CHARS_MAX = 80;
const quoted = (value: unknown): string =>
  (JSON.stringify(value) ?? String(value)).slice(0, QUOTED_CHARS_MAX);

const invalid = (what: string): DeviceboundError =>
  new DeviceboundError("SP_C2D_MESSAGE", `cloud-to-device message: ${what}`, {
    hint: `64 KB with properties; ack ${ACKS.join(", ")}; a time to live from 60 s to 2 days`,
  });

// ---- Of a frame ----

/** A system property of the frame at `frame`, as text. */
export function systemText(block: Block, frame: number, id: number): string | null {
  const from = sysStart(block, frame);
  const at = findById(block, from, from + sysLength(block, frame), id);
  return at < 0 ? null : propertyValue(block, at);
}

export const ackOf = (block: Block, frame: number): Ack =>
  ACKS.find((ack) => ack === systemText(block, frame, PROPERTY_ID.ACK)) ?? "none";

/** The instant by the wall clock at which its time is over; `Infinity` when it names none. */
export function expiryMsOf(block: Block, frame: number): number {
  const text = systemText(block, frame, PROPERTY_ID.EXPIRY);
  return text === null ? Infinity : Date.parse(text);
}
