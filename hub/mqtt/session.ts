/**
 * One MQTT connection that was accepted, as the channel to its client: what the hub pushes becomes PUBLISH
 * packets, as far as the client has subscribed to them (contract §4.4, §4.5).
 *
 * Answers, calls and desired properties go out with QoS 0: they mean something on this connection only. A change
 * of desired properties that was missed is pushed again with the next one.
 */
import type { ClientChannel, ClientEnd, ModuleInput } from "../clients/channel.ts";
import type { Client } from "../clients/client.ts";
import type { DeliveryHost } from "../endpoints/delivery-window.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { Plan, Publisher } from "../endpoints/publisher.ts";
import { Subscriber } from "../endpoints/subscriber.ts";
import type { MethodInvocation } from "../methods/methods.ts";
import type { TwinAnswer } from "../twins/twin-answer.ts";
import type { CloseCode } from "./close-reason.ts";
import type { MqttConnection } from "./connection.ts";
import { DeviceboundTopics } from "./devicebound-topics.ts";
import { InputTopics } from "./input-topics.ts";
import type { MessageSource } from "./property-bag.ts";
import type { Subscriptions } from "./session-row.ts";
import { desiredTopic, methodTopic, twinResultTopic, type ClientRequest } from "./topics.ts";

/** What a topic of a client means: a message with its way, or a request of the hub. */
export interface TopicPlan extends Plan {
  readonly request: ClientRequest | null;
}

export type SessionConnection = MqttConnection<Session, TopicPlan>;

const CLOSE_CODE: Readonly<Record<ClientEnd, CloseCode>> = {
  taken_over: "taken_over",
  identity_removed: "identity_removed",
  identity_disabled: "identity_removed",
  token_expired: "token_expired",
  no_progress: "unsettled",
  shutdown: "shutdown",
};

export interface SessionHost {
  readonly deliveries: DeliveryHost;
  /** Of cloud-to-device messages. */
  readonly devicebound: DeliveryHost;
  sourceOf(sourceId: number): MessageSource;
}

export class Session implements ClientChannel {
  /** Set once, by whoever made both. */
  client!: Client;
  readonly publisher: Publisher;
  /** Its subscriptions outlive the connection. */
  readonly isPersistent: boolean;
  readonly provenBy: string;
  subscriptions: Subscriptions = {};
  readonly #connection: SessionConnection;
  readonly #host: SessionHost;
  /** Of a module its inputs, of a device its messages: so a packet id belongs to one of the two. */
  #inputs: Subscriber | null = null;
  #devicebound: Subscriber | null = null;

  constructor(
    connection: SessionConnection,
    publisher: Publisher,
    isPersistent: boolean,
    provenBy: string,
    host: SessionHost,
  ) {
    this.#connection = connection;
    this.publisher = publisher;
    this.isPersistent = isPersistent;
    this.provenBy = provenBy;
    this.#host = host;
  }

  /** What the hub's side of the client follows from what is subscribed to. */
  applySubscriptions(): void {
    for (const what of ["inputs", "devicebound", "desired", "methods"] as const) {
      this.client.interest(what, this.subscriptions[what] !== undefined);
    }
  }

  inputs(inputs: readonly ModuleInput[]): void {
    const { deviceId, moduleId } = this.client;
    if (inputs.length === 0) {
      this.#inputs?.close();
      this.#inputs = null;
      return;
    }
    const subscribed = inputs.map(({ name, endpoint }) => {
      const topics = new InputTopics(deviceId, moduleId!, name, (id) => this.#host.sourceOf(id));
      return { endpoint, topics };
    });
    this.#inputs ??= new Subscriber(this.#connection, this.#host.deliveries);
    this.#inputs.subscribe(subscribed, this.subscriptions.inputs ?? 1);
  }

  devicebound(queue: Endpoint | null): void {
    if (queue === null) {
      this.#devicebound?.close();
      this.#devicebound = null;
      return;
    }
    const topics = new DeviceboundTopics(this.client.deviceId);
    this.#devicebound ??= new Subscriber(this.#connection, this.#host.devicebound);
    this.#devicebound.subscribe([{ endpoint: queue, topics }], this.subscriptions.devicebound ?? 1);
  }

  acknowledge(packetId: number): void {
    (this.#inputs ?? this.#devicebound)?.acknowledge(packetId);
  }

  /** Gives back what was delivered and not settled. */
  release(): void {
    this.inputs([]);
    this.devicebound(null);
  }

  desired(patch: Buffer, version: number): void {
    this.#publish(desiredTopic(version), patch);
  }

  method({ rid, name, payload }: MethodInvocation): void {
    this.#publish(methodTopic(name, rid), payload);
  }

  /** Does nothing for a client that does not listen, or is gone. */
  answerTwin(rid: string, { status, body, version }: TwinAnswer): void {
    if (this.subscriptions.twin_results === undefined) return;
    const topic = twinResultTopic(status, rid, version);
    if (topic !== null) this.#publish(topic, body);
  }

  #publish(topic: Buffer, body: Buffer): void {
    this.#connection.publish(topic, body, 0, body.length, 0, 0);
  }

  end(why: ClientEnd): void {
    this.release();
    this.#connection.close(CLOSE_CODE[why]);
  }
}
