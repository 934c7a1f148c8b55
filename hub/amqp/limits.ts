/** Bounds of AMQP connections, with their units. */

/** Frames we take and announce (contract §5.1). */
export const FRAME_BYTES_MAX = 65_536;
/**
 * What a client may send until its OPEN is read. AMQP says 512 (2.7.1, 5.3), but a SASL-INIT carries a token, and
 * those of long names are longer.
 */
export const OPENING_FRAME_BYTES_MAX = 8_192;
/** Frames we send: one fits an output chunk, and no message holds the socket for long. */
export const SENT_FRAME_BYTES_MAX = 32_768;

/** Lists in lists: ATTACH has a terminus with a filter with a value, and that is all there is. */
export const VALUE_DEPTH_MAX = 8;
/** Values that one frame or one message may consist of, at any depth. */
export const VALUES_MAX = 4_096;

export const SESSIONS_MAX = 64;
/** Links of one session. A device has nine, and a child gateway a session per device. */
export const LINKS_PER_SESSION_MAX = 256;
/** Links of one connection: so many devices of a child gateway. */
export const LINKS_MAX = 2_048;
/** The same while nobody has shown who they are: those of the token node, and some that are refused. */
export const STRANGER_LINKS_MAX = 16;
export const LINK_NAME_BYTES_MAX = 256;
/** Addresses of links, and what a link's properties say: longer ones are ignored. */
export const ADDRESS_CHARACTERS_MAX = 1_024;
export const LINK_PROPERTY_CHARACTERS_MAX = 256;
/** Identities that may have shown a token on one connection. */
export const IDENTITIES_MAX = 1_024;

/** Bytes of one message or batch on a telemetry link (contract §5.1). */
export const LINK_MESSAGE_BYTES_MAX = 1_048_576;
/** Bytes of a message on a link of the token node: a token, and whom it is of. */
export const TOKEN_MESSAGE_BYTES_MAX = 16_384;
/** Bytes of messages that have come in part, over all links of a connection. */
export const PARTIAL_BYTES_MAX = 8 * 1_048_576;
/** The same while nobody has shown who they are. */
export const STRANGER_PARTIAL_BYTES_MAX = 65_536;
/** What a request is recognised by, and its answer repeats: one that is longer counts as absent. */
export const ECHOED_BYTES_MAX = 1_024;
/** Answers that wait on one link for a client that gives no credit. */
export const REPLIES_MAX = 128;
export const REPLIES_BYTES_MAX = 4 * 1_048_576;
/** Messages of one batch. */
export const BATCH_MESSAGES_MAX = 1_024;

/** Transfers a session may send before we say that it may send more. */
export const INCOMING_WINDOW = 2_048;
/** Messages a producer may have sent and not settled. */
export const PRODUCER_CREDIT = 512;
/** Credit of request links: token, twin and method. */
export const REQUEST_CREDIT = 64;
/** Deliveries a consumer may leave unsettled behind the first unsettled one (J23). A power of two. */
export const DELIVERIES_MAX = 1_024;

export interface AmqpLimits {
  /** From accept to OPEN. */
  readonly openTimeoutMs: number;
  /** From OPEN until some identity has been shown. */
  readonly authTimeoutMs: number;
  /** Nothing received for so long ends the connection; half of it is announced (AMQP 2.4.5). */
  readonly idleTimeoutMs: number;
  /** A client that wants a sign of life more often is refused (contract §5.1). */
  readonly idleTimeoutMsMin: number;
  /** Producers whose messages found no room for so long lose their link. */
  readonly stalledMsMax: number;
  /** Output that the peer has not read; beyond, it is cut. */
  readonly backlogBytesMax: number;
  /** How long a closed connection may take to read our last words. */
  readonly lingerMs: number;
}

export const AMQP_LIMITS: AmqpLimits = {
  openTimeoutMs: 30_000,
  authTimeoutMs: 60_000,
  idleTimeoutMs: 240_000,
  idleTimeoutMsMin: 5_000,
  stalledMsMax: 30_000,
  backlogBytesMax: 8 * 1024 * 1024,
  lingerMs: 2_000,
};

/** Output of one connection that may wait before its links deliver no further. */
export const LINK_BACKLOG_BYTES_MAX = 1024 * 1024;
