/** A handler that accepts everybody, acknowledges everything, and remembers what it was told, in order. */
import type { CloseReason } from "../../../hub/mqtt/close-reason.ts";
import type { MqttConnection } from "../../../hub/mqtt/connection.ts";
import type {
  ConnectRequest,
  MqttHandler,
  PublishFlags,
  SubscribeRequest,
  Will,
} from "../../../hub/mqtt/handler.ts";

export type Connection = MqttConnection<string, string>;

export type Recorded =
  | { readonly type: "connect"; readonly request: ConnectRequest }
  | { readonly type: "topic"; readonly topic: string }
  | {
      readonly type: "publish";
      readonly topic: string;
      readonly body: Buffer;
      readonly qos: number;
      readonly packetId: number;
      readonly flags: PublishFlags;
    }
  | { readonly type: "puback"; readonly packetId: number }
  | { readonly type: "subscribe"; readonly packetId: number; readonly requests: readonly SubscribeRequest[] }
  | { readonly type: "unsubscribe"; readonly packetId: number; readonly filters: readonly string[] }
  | { readonly type: "close"; readonly reason: CloseReason; readonly will: Will | null };

type Of<T extends Recorded["type"]> = Extract<Recorded, { type: T }>;

export class Recorder implements MqttHandler<string, string> {
  readonly events: Recorded[] = [];
  readonly connections: Connection[] = [];
  #waiting: (() => void)[] = [];

  of<T extends Recorded["type"]>(type: T): Of<T>[] {
    return this.events.filter((event): event is Of<T> => event.type === type);
  }

  /** The first `count` events of a type, as soon as there are so many. */
  async until<T extends Recorded["type"]>(type: T, count = 1): Promise<Of<T>[]> {
    while (this.of(type).length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.of(type).slice(0, count);
  }

  onConnect(connection: Connection, request: ConnectRequest): void {
    this.connections.push(connection);
    this.#record({ type: "connect", request });
    this.decide(connection, request);
  }

  /** To be overridden by a test. */
  decide(connection: Connection, _request: ConnectRequest): void {
    connection.connack(0);
  }

  onTopic(_connection: Connection, topic: string): string {
    this.#record({ type: "topic", topic });
    return topic;
  }

  onPublish(
    connection: Connection,
    plan: string,
    bytes: Buffer,
    from: number,
    to: number,
    qos: number,
    packetId: number,
    flags: PublishFlags,
  ): void {
    const body = Buffer.from(bytes.subarray(from, to));
    this.#record({ type: "publish", topic: plan, body, qos, packetId, flags });
    this.take(connection, qos, packetId);
  }

  /** To be overridden by a test. */
  take(connection: Connection, qos: number, packetId: number): void {
    if (qos > 0) connection.puback(packetId);
  }

  onPuback(_connection: Connection, packetId: number): void {
    this.#record({ type: "puback", packetId });
  }

  onSubscribe(connection: Connection, packetId: number, requests: readonly SubscribeRequest[]): void {
    this.#record({ type: "subscribe", packetId, requests });
    connection.suback(
      packetId,
      requests.map(({ qos }) => Math.min(qos, 1)),
    );
  }

  onUnsubscribe(connection: Connection, packetId: number, filters: readonly string[]): void {
    this.#record({ type: "unsubscribe", packetId, filters });
    connection.unsuback(packetId);
  }

  onClose(_connection: Connection, reason: CloseReason, will: Will | null): void {
    this.#record({ type: "close", reason, will });
  }

  #record(event: Recorded): void {
    this.events.push(event);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
