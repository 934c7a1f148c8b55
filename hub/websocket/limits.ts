/** Bounds of the web listener: what a stranger may make it hold, and for how long. Units last. */
import { FRAME_BYTES_MAX } from "../amqp/limits.ts";
import { PUBLISH_BYTES_MAX } from "../mqtt/limits.ts";

/** A request line and all header fields together. */
export const HEADER_BYTES_MAX = 16 * 1024;
export const HEADER_FIELDS_MAX = 64;
/** Requests one HTTP connection may make before it is closed. */
export const REQUESTS_PER_CONNECTION_MAX = 1_000;
/** Requests that are being read or answered, over all connections. */
export const REQUESTS_MAX = 128;
export const BODY_BYTES_MAX = 256 * 1024;

/** First byte and length of an MQTT packet. */
const FIXED_HEADER_BYTES_MAX = 5;
/**
 * One WebSocket message, which is held whole before the head sees it. Microsoft's SDKs send a packet or a frame in
 * each; of frames, which are smaller, a few may come together.
 */
export const MESSAGE_BYTES_MAX = {
  mqtt: PUBLISH_BYTES_MAX + FIXED_HEADER_BYTES_MAX,
  amqp: 4 * FRAME_BYTES_MAX,
} as const;
/** Pieces of one message. */
export const FRAGMENTS_MAX = 1_024;
/** Reads that one message may come in. */
export const CHUNKS_MAX = 8_192;
/** Answers to pings that the peer has not read. */
export const PONGS_MAX = 16;
/** How long a peer may take to answer our closing frame. */
export const CLOSE_TIMEOUT_MS = 2_000;

/** What tests want different. */
export interface WebLimits {
  /** From accept, or the end of the request before, to the end of the header. */
  readonly headerTimeoutMs: number;
  /** To the end of the body. */
  readonly requestTimeoutMs: number;
  /** Between two requests. */
  readonly keepAliveTimeoutMs: number;
  /** How often the two are looked at. */
  readonly checkEveryMs: number;
}

export const WEB_LIMITS: WebLimits = {
  headerTimeoutMs: 20_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 5_000,
  checkEveryMs: 5_000,
};
