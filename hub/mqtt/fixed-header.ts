/**
 * The fixed header: which packets a client may send, with which flags, how long. Judged as soon as the header
 * is complete, so that nothing is held for a packet that will be refused anyway.
 */
import type { CloseCode } from "./close-reason.ts";
import { CONNECT_BYTES_MAX, PUBLISH_BYTES_MAX, SUBSCRIBE_BYTES_MAX } from "./limits.ts";

export const PACKET = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  PUBREC: 5,
  PUBREL: 6,
  PUBCOMP: 7,
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
} as const;

/** Bits of a PUBLISH's first byte. */
export const PUBLISH_BIT = { RETAIN: 1, DUP: 8 } as const;

/** In place of a remaining length whose fourth byte promises a fifth. */
export const MALFORMED_LENGTH = -1;

interface Shape {
  readonly flags: number;
  readonly bytesMin: number;
  readonly bytesMax: number;
}

/** By packet type; PUBLISH, whose flags mean something, is judged apart. */
const FROM_CLIENT = new Map<number, Shape>([
  [PACKET.CONNECT, { flags: 0, bytesMin: 12, bytesMax: CONNECT_BYTES_MAX }],
  [PACKET.PUBACK, { flags: 0, bytesMin: 2, bytesMax: 2 }],
  [PACKET.SUBSCRIBE, { flags: 2, bytesMin: 5, bytesMax: SUBSCRIBE_BYTES_MAX }], // [MQTT-3.8.1-1]
  [PACKET.UNSUBSCRIBE, { flags: 2, bytesMin: 4, bytesMax: SUBSCRIBE_BYTES_MAX }], // [MQTT-3.10.1-1]
  [PACKET.PINGREQ, { flags: 0, bytesMin: 0, bytesMax: 0 }],
  [PACKET.DISCONNECT, { flags: 0, bytesMin: 0, bytesMax: 0 }],
]);

const TOO_SHORT = new Map<number, CloseCode>([
  [PACKET.CONNECT, "connect_malformed"],
  [PACKET.SUBSCRIBE, "subscribe_malformed"],
  [PACKET.UNSUBSCRIBE, "unsubscribe_malformed"],
]);

/** Why a packet with this first byte and remaining length is refused, or `null`. */
export function headerFault(header: number, remaining: number, connected: boolean): CloseCode | null {
  const type = header >> 4;
  if (type === PACKET.PUBLISH && connected && remaining >= 0) {
    return remaining > PUBLISH_BYTES_MAX ? "packet_too_large" : null;
  }
  if (!connected && type !== PACKET.CONNECT) return "connect_expected"; // [MQTT-3.1.0-1]
  if (connected && type === PACKET.CONNECT) return "connect_repeated"; // [MQTT-3.1.0-2]
  if (remaining < 0) return "length_malformed";
  return controlFault(type, header & 15, remaining);
}

function controlFault(type: number, flags: number, remaining: number): CloseCode | null {
  // The other halves of QoS 2. We never offer it, so they answer nothing.
  if (type >= PACKET.PUBREC && type <= PACKET.PUBCOMP) return "qos_unsupported";
  const shape = FROM_CLIENT.get(type);
  if (shape === undefined) return "packet_unexpected";
  if (flags !== shape.flags) return "flags_malformed"; // [MQTT-2.2.2-2]
  if (remaining > shape.bytesMax) return "packet_too_large";
  if (remaining < shape.bytesMin) return TOO_SHORT.get(type) ?? "length_malformed";
  return null;
}
