/**
 * Every way a connection ends, as one row: a stable code (a label of metrics), whether the client asked for
 * it, and a line for the log. A peer's violation is one of these values, never an exception.
 */

const row = (graceful: boolean, text: string) => ({ graceful, text });

const TABLE = {
  // What the peer did.
  disconnect: row(true, "client sent DISCONNECT"),
  connection_lost: row(false, "connection ended without DISCONNECT"),
  socket_error: row(false, "socket failed"),
  connect_timeout: row(false, "no CONNECT in time"),
  keep_alive_timeout: row(false, "nothing received for 1.5 times the keep-alive [MQTT-3.1.2-24]"),
  slow_reader: row(false, "client does not read what it is sent"),

  // What the peer must not do.
  length_malformed: row(false, "remaining length of more than four bytes"),
  packet_too_large: row(false, "packet larger than the limit"),
  flags_malformed: row(false, "reserved header flags are wrong [MQTT-2.2.2-2]"),
  packet_unexpected: row(false, "packet of a kind that a client never sends"),
  connect_expected: row(false, "first packet is not CONNECT [MQTT-3.1.0-1]"),
  connect_repeated: row(false, "second CONNECT [MQTT-3.1.0-2]"),
  protocol_unsupported: row(false, "protocol is not MQTT 3.1.1 [MQTT-3.1.2-2]"),
  connect_malformed: row(false, "malformed CONNECT"),
  publish_malformed: row(false, "malformed PUBLISH"),
  topic_malformed: row(false, "topic is empty, has a wildcard or NUL, or is not utf-8 [MQTT-3.3.2-1]"),
  qos_unsupported: row(false, "QoS 2 is not supported"),
  packet_id_zero: row(false, "packet id is zero [MQTT-2.3.1-1]"),
  subscribe_malformed: row(false, "malformed SUBSCRIBE"),
  unsubscribe_malformed: row(false, "malformed UNSUBSCRIBE"),

  // What the hub decided.
  refused: row(false, "CONNECT refused"),
  rejected: row(false, "request that the hub does not accept"),
  taken_over: row(false, "same identity connected again [MQTT-3.1.4-2]"),
  identity_removed: row(false, "identity was removed, disabled, or has a new key"),
  token_expired: row(false, "token or certificate of the client has expired"),
  stalled: row(false, "hub could not take the client's messages for too long"),
  unsettled: row(false, "client does not acknowledge what it is sent"),
  shutdown: row(false, "hub is stopping"),
} as const;

export type CloseCode = keyof typeof TABLE;

export interface CloseReason {
  readonly code: CloseCode;
  /** The client said DISCONNECT: its will is void [MQTT-3.14.4-3]. */
  readonly graceful: boolean;
  readonly text: string;
}

export function closeReason(code: CloseCode): CloseReason {
  return { code, ...TABLE[code] };
}

export const CLOSE_CODES = Object.keys(TABLE) as readonly CloseCode[];
