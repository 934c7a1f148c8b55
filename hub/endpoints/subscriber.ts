/**
 * A module that connects over MQTT, as the consumer of its inputs: what a delivery window hands out becomes a
 * PUBLISH, and a PUBACK settles it. A redelivery says so (DUP).
 *
 * The packet id follows from the delivery's sequence number, so it is the same when a message is sent again,
 * after a crash too, and no other message in hand has it (J25) [MQTT-2.3.1-4] [MQTT-4.4.0-1].
 */
import { bodyLength, bodyStart, type Block } from "../../abi/index.ts";
import {
  DeliveryWindow,
  SLOTS,
  WINDOW,
  type Delivered,
  type DeliveryHost,
  type DeliverySink,
} from "./delivery-window.ts";
import type { Endpoint } from "./endpoint.ts";

/**
 * Sequence numbers apart that have the same packet id: two windows of every lane. So when an id is used again,
 * a client that answers in order has answered every copy of what had it before.
 */
export const PACKET_IDS = 2 * WINDOW * SLOTS;
/** Output that may wait in the socket of a slow reader. */
const BACKLOG_BYTES_MAX = 1024 * 1024;

export interface SubscriberSocket {
  publish(
    topic: Uint8Array,
    bytes: Buffer,
    from: number,
    to: number,
    qos: 0 | 1,
    packetId: number,
    dup: boolean,
  ): void;
  close(code: "unsettled"): void;
  readonly writableBacklogBytes: number;
}

/** The topics that deliver frames to one input. */
export interface TopicSource {
  /** Of the frame, or `null` when it would be too long. */
  topicOf(block: Block, frame: number): Uint8Array | null;
  /** The most that the frame of the last topic may be delivered with (contract §4.2). */
  readonly qosMax: 0 | 1;
}

export interface SubscribedInput {
  readonly endpoint: Endpoint;
  readonly topics: TopicSource;
}

export class Subscriber implements DeliverySink<SubscribedInput> {
  readonly kind = "mqtt";
  readonly #socket: SubscriberSocket;
  readonly #window: DeliveryWindow<SubscribedInput>;
  #qos: 0 | 1 = 1;

  constructor(socket: SubscriberSocket, host: DeliveryHost) {
    this.#socket = socket;
    this.#window = new DeliveryWindow(this, host);
  }

  /** Delivers from these inputs from now on. What is in hand of those it had stays in hand [MQTT-3.8.4-3]. */
  subscribe(inputs: readonly SubscribedInput[], qos: 0 | 1): void {
    this.#qos = qos;
    this.#window.attach(inputs);
    this.#window.pump();
  }

  get isWritable(): boolean {
    return this.#socket.writableBacklogBytes <= BACKLOG_BYTES_MAX;
  }

  deliver(
    { topics }: SubscribedInput,
    block: Block,
    frame: number,
    sequence: number,
    attempt: number,
  ): Delivered {
    const topic = topics.topicOf(block, frame);
    if (topic === null) return "undeliverable";
    const body = bodyStart(block, frame);
    const to = body + bodyLength(block, frame);
    if (this.#qos === 0 || topics.qosMax === 0) {
      this.#socket.publish(topic, block.u8, body, to, 0, 0, false); // no DUP without an id [MQTT-3.3.1-2]
      return "settled";
    }
    this.#socket.publish(topic, block.u8, body, to, 1, (sequence % PACKET_IDS) + 1, attempt > 0);
    return "sent";
  }

  /** PUBACK. Ids of nothing in flight are ignored. */
  acknowledge(packetId: number): void {
    if (packetId > PACKET_IDS) return;
    const sequence = this.#window.sequenceAt(packetId - 1, PACKET_IDS);
    if (sequence >= 0) this.#window.settle(sequence, "accepted");
  }

  onUnsettled(): void {
    this.#socket.close("unsettled");
  }

  /** Everything not settled will be delivered again. */
  close(): void {
    this.#window.close();
  }
}
