/**
 * The consumer on the network: a module that connects over MQTT, deals with its messages a few at a time, and
 * acknowledges them only then.
 *
 * It learns what of that has become durable without knowing anything of the hub: now and then it publishes a mark
 * of its own, behind its acknowledgements on the same connection. When the mark is acknowledged, what was settled
 * before it must never come again.
 */
import type { IPublishPacket } from "mqtt-packet";
import { newKeys } from "../../hub/identity/keys.ts";
import { RawClient } from "../support/faults/raw-client.ts";
import { GATEWAY } from "../support/hub.ts";
import type { Below } from "./draws.ts";
import type { ConsumerHistory, Delivery, Fault } from "./history.ts";
import { keyOf, placeOf } from "./message.ts";
import { SINK, SINK_FILTER, SINK_TOPIC } from "./topology.ts";

/** How long it may have messages in hand, ms: mostly, and now and then. */
const DEAL_MS_MAX = 6;
const SLOW_DEAL_MS_MAX = 40;
const SLOW_DEAL_ONE_IN = 4;
/** It drops its connection by itself after so many deliveries, now and then. */
const DELIVERIES_BEFORE_LEAVING_MAX = 60;
const LEAVES_ONE_IN = 2;
/** Its filter is subscribed with packet id 1. */
const MARK_PACKET_ID = 2;

export class Consumer {
  readonly identity = { deviceId: GATEWAY, moduleId: SINK, ...newKeys(), enabled: true };
  readonly #below: Below;
  readonly #deliveries: Delivery[] = [];
  readonly #unsettledAtCuts = new Map<string, number>();
  readonly #faults: Fault[] = [];
  #isPeaceful = false;
  onDelivery: () => void = () => undefined;

  constructor(below: Below) {
    this.#below = below;
  }

  get delivered(): number {
    return this.#deliveries.length;
  }

  /** It leaves no more. */
  calm(): void {
    this.#isPeaceful = true;
  }

  /** Connects, and again whenever it has left; resolves when the gateway is gone. */
  async run(port: number, round: number): Promise<void> {
    for (let number = 0; ; number++) {
      const connection = new ConsumerConnection(port, this, { round, number }, this.#leavesAfter());
      await connection.ended;
      for (const key of connection.unsettled) {
        this.#unsettledAtCuts.set(key, (this.#unsettledAtCuts.get(key) ?? 0) + 1);
      }
      if (!connection.hasLeft) return;
    }
  }

  #leavesAfter(): number {
    if (this.#isPeaceful || this.#below(LEAVES_ONE_IN) > 0) return Infinity;
    return 1 + this.#below(DELIVERIES_BEFORE_LEAVING_MAX);
  }

  dealMs(): number {
    return this.#below(this.#below(SLOW_DEAL_ONE_IN) === 0 ? SLOW_DEAL_MS_MAX : DEAL_MS_MAX);
  }

  receive(delivery: Delivery): void {
    this.#deliveries.push(delivery);
    this.onDelivery();
  }

  fault(fault: Fault): void {
    this.#faults.push(fault);
  }

  get history(): ConsumerHistory {
    return { deliveries: this.#deliveries, unsettledAtCuts: this.#unsettledAtCuts, faults: this.#faults };
  }
}

/** Which connection: its number counts from 0 in each life of the gateway. */
interface ConnectionName {
  readonly round: number;
  readonly number: number;
}

class ConsumerConnection {
  readonly ended: Promise<void>;
  /** Messages that the gateway may deliver again, in the order in which they came. */
  readonly unsettled: string[] = [];
  hasLeft = false;
  readonly #consumer: Consumer;
  readonly #name: ConnectionName;
  readonly #client: RawClient;
  #inHand: { readonly delivery: Delivery; readonly packetId: number }[] = [];
  /** How many of `unsettled` it has acknowledged; null while no mark is under way. */
  #acknowledged = 0;
  #marked: number | null = null;
  #received = 0;
  readonly #leavesAfter: number;

  constructor(port: number, consumer: Consumer, name: ConnectionName, leavesAfter: number) {
    this.#consumer = consumer;
    this.#name = name;
    this.#leavesAfter = leavesAfter;
    const client = (this.#client = new RawClient(port, consumer.identity, {
      onPublish: (packet) => this.#onPublish(packet),
      onPuback: (packetId) => this.#onPuback(packetId),
    }));
    this.ended = client.connected.then(
      async () => {
        await client.subscribe(SINK_FILTER);
        await client.closed;
      },
      () => undefined, // killed before it answered
    );
  }

  #onPublish({ payload, messageId, dup }: IPublishPacket): void {
    const body = payload.toString();
    const place = placeOf(body);
    const { round, number: connection } = this.#name;
    const delivery = { ...place, round, connection, body, isRepeat: dup, isDone: false };
    this.#consumer.receive(delivery);
    this.unsettled.push(keyOf(place));
    this.#inHand.push({ delivery, packetId: messageId! });
    if (this.#inHand.length === 1) setTimeout(() => this.#finish(), this.#consumer.dealMs());
    if (++this.#received >= this.#leavesAfter) this.#leave();
  }

  #finish(): void {
    if (this.#client.isClosed || this.hasLeft) return;
    for (const { delivery, packetId } of this.#inHand) {
      delivery.isDone = true;
      this.#client.puback(packetId);
    }
    this.#acknowledged += this.#inHand.length;
    this.#inHand = [];
    this.#mark();
  }

  #mark(): void {
    if (this.#marked !== null || this.#acknowledged === 0) return;
    this.#marked = this.#acknowledged;
    this.#client.publish(SINK_TOPIC, "mark", MARK_PACKET_ID);
  }

  #onPuback(packetId: number): void {
    if (packetId !== MARK_PACKET_ID || this.#marked === null) {
      return this.#consumer.fault({
        round: this.#name.round,
        what: `packet ${packetId} of ${SINK}: not in flight`,
      });
    }
    this.unsettled.splice(0, this.#marked);
    this.#acknowledged -= this.#marked;
    this.#marked = null;
    this.#mark();
  }

  #leave(): void {
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.#client[Symbol.dispose]();
  }
}
