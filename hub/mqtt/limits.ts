/** Bounds of the MQTT head (J6): what a peer may make it hold, and for how long. Units last. */
import { MESSAGE_BYTES_MAX } from "../../abi/index.ts";

/** A topic's length is two bytes on the wire. */
export const TOPIC_BYTES_MAX = 65_535;
/** Remaining length of a PUBLISH: the contract bounds the body (§4.1), topic and packet id lie beside it. */
export const PUBLISH_BYTES_MAX = MESSAGE_BYTES_MAX + 2 + TOPIC_BYTES_MAX + 2;
/** Before CONNECT nobody is known, so what a stranger can make us hold is small: one full will and some names. */
export const CONNECT_BYTES_MAX = 80 * 1024;
export const SUBSCRIBE_BYTES_MAX = 64 * 1024;
/** Topic filters in one SUBSCRIBE or UNSUBSCRIBE. */
export const FILTERS_MAX = 512;

/** Most bytes one read takes. */
export const READ_BYTES = 64 * 1024;

/** Topics remembered per connection, and the longest that is worth remembering. */
export const TOPICS_CACHED_MAX = 4;
export const TOPIC_CACHED_BYTES_MAX = 4096;

/** What an operator may want different, and tests always do. */
export interface MqttLimits {
  /** From accept to the end of the exchange CONNECT - CONNACK (contract §4.1). */
  readonly connectTimeoutMs: number;
  /** The server's patience, 1.5 times what the client asked for, is cut here; 0 asks for this much (§4.1). */
  readonly keepAliveMsMax: number;
  /** A connection that the hub cannot take messages from for this long is closed; the client keeps them. */
  readonly pausedMsMax: number;
  /** Output that the peer does not read. Beyond this the connection is closed. */
  readonly backlogBytesMax: number;
  /** How long a closing connection may take to read its last bytes. */
  readonly lingerMs: number;
}

export const MQTT_LIMITS: MqttLimits = {
  connectTimeoutMs: 60_000,
  keepAliveMsMax: 600_000,
  pausedMsMax: 30_000,
  backlogBytesMax: 8 * 1024 * 1024,
  lingerMs: 2_000,
};
