/**
 * CONNECT, SUBSCRIBE and UNSUBSCRIBE: rare, so decoded by mqtt-packet, from a copy of exactly one packet's
 * bytes. What mqtt-packet lets pass and the specification does not is judged here. Nothing throws.
 */
import { parser, type Packet } from "mqtt-packet";
import type { CloseCode } from "./close-reason.ts";
import type { ConnectRequest, SubscribeRequest, Will } from "./handler.ts";
import { FILTERS_MAX } from "./limits.ts";
import { isTopicName } from "./topic-name.ts";

const PROTOCOL_LEVEL = 4;
/** What a client of MQTT 3.1.1, and one of MQTT 3.1, begins a CONNECT with: the protocol's name. */
const MQTT_NAME = Buffer.from("\0\x04MQTT", "latin1");
const MQISDP_NAME = Buffer.from("\0\x06MQIsdp", "latin1");
const CONNECT_FLAG = { WILL_QOS: 0x18, PASSWORD: 0x40, USERNAME: 0x80 } as const;

export type Decoded<T> = { readonly value: T } | { readonly fault: CloseCode };

/** `[from, to)` is what follows the fixed header, here and below. */
export function decodeConnect(bytes: Buffer, from: number, to: number): Decoded<ConnectRequest> {
  const fault = connectFault(bytes, from, to);
  if (fault !== null) return { fault };
  const packet = decode(0x10, bytes, from, to);
  if (packet?.cmd !== "connect") return { fault: "connect_malformed" };
  const will = packet.will === undefined ? null : toWill(packet.will);
  const request: ConnectRequest = {
    clientId: packet.clientId,
    username: packet.username ?? null,
    password: packet.password ?? null,
    clean: packet.clean === true,
    keepAliveSecs: packet.keepalive ?? 0,
    will,
  };
  const strings = [request.clientId, request.username ?? "", will?.topic ?? ""];
  if (!strings.every(isWellFormed)) return { fault: "connect_malformed" };
  if (will !== null && !isTopicName(will.topic)) return { fault: "connect_malformed" };
  // Nothing may follow the last field.
  return connectBytes(request) === to - from ? { value: request } : { fault: "connect_malformed" };
}

/** What mqtt-packet does not tell apart, or does not check. */
function connectFault(bytes: Buffer, from: number, to: number): CloseCode | null {
  const isMqtt = startsWith(bytes, from, to, MQTT_NAME);
  if (!isMqtt) return startsWith(bytes, from, to, MQISDP_NAME) ? "protocol_unsupported" : "connect_malformed";
  if (bytes[from + 6] !== PROTOCOL_LEVEL) return "protocol_unsupported"; // [MQTT-3.1.2-2]
  const flags = bytes[from + 7]!;
  if ((flags & CONNECT_FLAG.WILL_QOS) === CONNECT_FLAG.WILL_QOS) return "connect_malformed"; // [MQTT-3.1.2-14]
  const isPasswordAlone = (flags & (CONNECT_FLAG.USERNAME | CONNECT_FLAG.PASSWORD)) === CONNECT_FLAG.PASSWORD;
  return isPasswordAlone ? "connect_malformed" : null; // [MQTT-3.1.2-22]
}

function startsWith(bytes: Buffer, from: number, to: number, name: Buffer): boolean {
  const end = from + name.length;
  return end < to && bytes.compare(name, 0, name.length, from, end) === 0;
}

interface PacketWill {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos?: number;
  readonly retain?: boolean;
}

const toWill = ({ topic, payload, qos = 0, retain = false }: PacketWill): Will => ({
  topic,
  payload: typeof payload === "string" ? Buffer.from(payload) : payload,
  qos,
  retain,
});

function connectBytes({ clientId, username, password, will }: ConnectRequest): number {
  const field = (bytes: number) => 2 + bytes;
  let total = 10 + field(Buffer.byteLength(clientId));
  if (will !== null) total += field(Buffer.byteLength(will.topic)) + field(will.payload.length);
  if (username !== null) total += field(Buffer.byteLength(username));
  if (password !== null) total += field(password.length);
  return total;
}

export interface Subscribe {
  readonly packetId: number;
  readonly requests: readonly SubscribeRequest[];
}

export function decodeSubscribe(bytes: Buffer, from: number, to: number): Decoded<Subscribe> {
  const packetId = bytes.readUInt16BE(from);
  if (packetId === 0) return { fault: "packet_id_zero" };
  const packet = decode(0x82, bytes, from, to);
  if (packet?.cmd !== "subscribe") return { fault: "subscribe_malformed" };
  const requests = packet.subscriptions.map(({ topic, qos }) => ({ filter: topic, qos }));
  if (!areFilters(requests.map(({ filter }) => filter))) return { fault: "subscribe_malformed" };
  return { value: { packetId, requests } };
}

export interface Unsubscribe {
  readonly packetId: number;
  readonly filters: readonly string[];
}

export function decodeUnsubscribe(bytes: Buffer, from: number, to: number): Decoded<Unsubscribe> {
  const packetId = bytes.readUInt16BE(from);
  if (packetId === 0) return { fault: "packet_id_zero" };
  const packet = decode(0xa2, bytes, from, to);
  if (packet?.cmd !== "unsubscribe") return { fault: "unsubscribe_malformed" };
  const filters = packet.unsubscriptions;
  return areFilters(filters) ? { value: { packetId, filters } } : { fault: "unsubscribe_malformed" };
}

/** At least one [MQTT-3.8.3-3], none empty [MQTT-4.7.3-1]. Their wildcards are the handler's to understand. */
const areFilters = (filters: readonly string[]): boolean =>
  filters.length > 0 &&
  filters.length <= FILTERS_MAX &&
  filters.every((filter) => filter !== "" && isWellFormed(filter));

/**
 * mqtt-packet puts U+FFFD in place of ill-formed utf-8 [MQTT-1.5.3-1]. A client that really uses that
 * character is refused with the others.
 */
const isWellFormed = (text: string): boolean => !/[\0\uFFFD]/.test(text);

function decode(header: number, bytes: Buffer, from: number, to: number): Packet | null {
  // A copy: mqtt-packet returns views, and these bytes lie in the shared read buffer.
  const packet = Buffer.concat([encodeHeader(header, to - from), bytes.subarray(from, to)]);
  let decoded: Packet | null = null;
  let isFaulty = false;
  const decoder = parser({ protocolVersion: PROTOCOL_LEVEL });
  decoder.on("packet", (found) => (decoded = found));
  decoder.on("error", () => (isFaulty = true));
  try {
    decoder.parse(packet);
  } catch {
    return null;
  }
  return isFaulty ? null : decoded;
}

function encodeHeader(header: number, remaining: number): Buffer {
  const bytes = [header];
  let rest = remaining;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}
