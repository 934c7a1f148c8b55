/**
 * What a connection tells the hub, and what it asks. The connection knows MQTT; whoever implements this knows
 * identities, topics and queues.
 *
 * A handler is called on the hub's thread, synchronously, and never after `onClose`. It may call any method
 * of the connection, `close` included, from within any call. It must not throw: an exception is a bug in the
 * handler and is not caught here.
 */
import type { CloseReason } from "./close-reason.ts";
import type { MqttConnection } from "./connection.ts";

export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

/** A well-formed CONNECT of MQTT 3.1.1. Everything in it is a copy, and nothing of it has been believed yet. */
export interface ConnectRequest {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Buffer | null;
  readonly clean: boolean;
  /** As the client asked; the connection enforces it by itself (contract §4.1). */
  readonly keepAliveSecs: number;
  readonly will: Will | null;
}

export interface SubscribeRequest {
  readonly filter: string;
  /** 0 to 2, as requested; the hub grants at most 1 (contract §4.2). */
  readonly qos: number;
}

export interface PublishFlags {
  readonly dup: boolean;
  readonly retain: boolean;
}

/** Values for `connack` (§3.2.2.3) that the hub uses (contract §4.1). */
export const CONNACK = {
  ACCEPTED: 0,
  UNACCEPTABLE_PROTOCOL: 1,
  SERVER_UNAVAILABLE: 3,
  NOT_AUTHORIZED: 5,
} as const;
export type ConnackCode = (typeof CONNACK)[keyof typeof CONNACK];

/**
 * `Session` is whatever the handler keeps per connection (`connection.session`), `Plan` whatever it makes of
 * a topic.
 */
export interface MqttHandler<Session, Plan> {
  /**
   * Must lead to `connection.connack`, now or later; until then nothing further is read. A verdict that takes
   * longer than the connect timeout finds the connection closed.
   */
  onConnect(connection: MqttConnection<Session, Plan>, request: ConnectRequest): void;

  /**
   * A topic that is not among the connection's last few. The plan is kept with it and handed to `onPublish`
   * until the topic falls out of memory or `connection.forgetTopics()`.
   */
  onTopic(connection: MqttConnection<Session, Plan>, topic: string): Plan;

  /**
   * One message, QoS 0 (`packetId` 0) or 1. The body is `bytes[from, to)`, at most `MESSAGE_BYTES_MAX`; it
   * lies in a buffer shared by all connections and is overwritten after the call: copy what you keep.
   * Acknowledge by `connection.puback`, in the order of arrival (J24) [MQTT-4.6.0-2].
   */
  onPublish(
    connection: MqttConnection<Session, Plan>,
    plan: Plan,
    bytes: Buffer,
    from: number,
    to: number,
    qos: number,
    packetId: number,
    flags: PublishFlags,
  ): void;

  /** The client has settled what was published to it under this id; perhaps an id that was never used. */
  onPuback(connection: MqttConnection<Session, Plan>, packetId: number): void;

  /** Must lead to `connection.suback` with one code per request [MQTT-3.8.4-5]. */
  onSubscribe(
    connection: MqttConnection<Session, Plan>,
    packetId: number,
    requests: readonly SubscribeRequest[],
  ): void;

  /** Must lead to `connection.unsuback`, whatever the filters are [MQTT-3.10.4-5]. */
  onUnsubscribe(
    connection: MqttConnection<Session, Plan>,
    packetId: number,
    filters: readonly string[],
  ): void;

  /**
   * The last call for this connection; exactly once, for every connection, also when CONNECT never came. It
   * is never made from within a method of the connection. `will` is there when it is to be published: the
   * connection had been accepted and did not end with DISCONNECT [MQTT-3.1.2-8].
   */
  onClose(connection: MqttConnection<Session, Plan>, reason: CloseReason, will: Will | null): void;
}
