/**
 * A module that connects over the network, as the consumer of its inputs. Only durable entries are delivered
 * (J10); they are settled in order as they are acknowledged, and what is not settled when it goes away is
 * delivered again, from the first (J25).
 */
import { ENTRY, entryDeadline, entryTotal, bodyLength, bodyStart, type Block } from "../../abi/index.ts";
import type { Lane } from "../journal/lane.ts";
import type { Consumer, Endpoint } from "./endpoint.ts";

/** Deliveries that may wait for their acknowledgement (J23): at the edge, delivery stops. */
export const WINDOW = 1024;
const RING = 2048;
const PACKET_IDS = 65535;
/** Output that may wait in the socket of a slow reader. */
const BACKLOG_BYTES_MAX = 1024 * 1024;
const BACKLOG_RETRY_MS = 20;

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
  readonly writableBacklogBytes: number;
}

export interface SubscriberHost {
  nowPowered(): number;
  /** No topic has room for the frame's properties: it is given up. */
  undeliverable(endpoint: Endpoint, block: Block, frame: number): void;
  expired(lane: Lane, count: number): void;
  delivered(): void;
  settled(lane: Lane): void;
}

export interface SubscribedInput {
  readonly endpoint: Endpoint;
  /** The topic that delivers a frame to this input, or `null` when it would be too long. */
  topicOf(block: Block, frame: number): Uint8Array | null;
}

export class Subscriber implements Consumer {
  readonly kind = "mqtt";
  readonly #socket: SubscriberSocket;
  readonly #host: SubscriberHost;
  readonly #inputs: readonly SubscribedInput[];
  readonly #qos: 0 | 1;
  /** Deliveries in flight, by sequence modulo RING. */
  readonly #lanes: (Lane | null)[] = Array.from({ length: RING }, () => null);
  readonly #acked = new Uint8Array(RING);
  #base: number;
  #next: number;
  #retry: NodeJS.Timeout | null = null;

  /**
   * @param sequence deliveries made before on this connection: packet ids follow from the number, so that an
   *   acknowledgement on its way when a consumer is replaced is never taken for that of another message
   */
  constructor(
    socket: SubscriberSocket,
    host: SubscriberHost,
    inputs: readonly SubscribedInput[],
    qos: 0 | 1,
    sequence: number,
  ) {
    this.#base = this.#next = sequence;
    this.#socket = socket;
    this.#host = host;
    this.#inputs = inputs;
    this.#qos = qos;
    for (const { endpoint } of inputs) for (const lane of endpoint.lanes) lane.rewind();
  }

  /** Deliveries made on this connection so far. */
  get sequence(): number {
    return this.#next;
  }

  get outstanding(): number {
    return this.#next - this.#base;
  }

  pump(): void {
    for (const input of this.#inputs) {
      for (const lane of input.endpoint.lanes) {
        if (this.#drain(input, lane)) continue;
        // Without acknowledgements (QoS 0) nothing else says that the socket has drained.
        if (this.#qos === 0) this.#retry ??= setTimeout(() => this.#pumpAgain(), BACKLOG_RETRY_MS);
        return;
      }
    }
  }

  #pumpAgain(): void {
    this.#retry = null;
    if (this.#isConsumer) this.pump();
  }

  /** Nobody has taken over: what is acknowledged now is what this one delivered. */
  get #isConsumer(): boolean {
    return this.#inputs.some(({ endpoint }) => endpoint.consumer === this);
  }

  /** Delivers what is durable; `false` when the window or the socket is full. */
  #drain(input: SubscribedInput, lane: Lane): boolean {
    const { reader } = lane;
    const now = this.#host.nowPowered();
    while (reader.offset < lane.durable && reader.offset < lane.tail) {
      if (this.#next - this.#base >= WINDOW || this.#socket.writableBacklogBytes > BACKLOG_BYTES_MAX)
        return false;
      const block = lane.makeResident(reader);
      const { at } = reader;
      const sequence = this.#next++;
      const slot = sequence % RING;
      this.#lanes[slot] = lane;
      let isSettled = this.#qos === 0;
      if (entryDeadline(block, at) <= now) {
        this.#host.expired(lane, 1);
        isSettled = true;
      } else if (!this.#deliver(block, at + ENTRY.SIZE, input, sequence)) {
        this.#host.undeliverable(input.endpoint, block, at + ENTRY.SIZE);
        isSettled = true;
      }
      this.#acked[slot] = isSettled ? 1 : 0;
      reader.at = at + entryTotal(block, at);
      reader.offset++;
      if (isSettled) this.#settle();
    }
    return true;
  }

  #deliver(block: Block, frame: number, input: SubscribedInput, sequence: number): boolean {
    const topic = input.topicOf(block, frame);
    if (topic === null) return false;
    const body = bodyStart(block, frame);
    const packetId = this.#qos === 0 ? 0 : (sequence % PACKET_IDS) + 1;
    this.#socket.publish(topic, block.u8, body, body + bodyLength(block, frame), this.#qos, packetId, false);
    this.#host.delivered();
    return true;
  }

  /** PUBACK. Ids of nothing in flight are ignored. */
  acknowledge(packetId: number): void {
    const behind = (packetId - 1 - (this.#base % PACKET_IDS) + PACKET_IDS) % PACKET_IDS;
    if (behind >= this.#next - this.#base || !this.#isConsumer) return;
    this.#acked[(this.#base + behind) % RING] = 1;
    this.#settle();
    if (this.#next - this.#base <= WINDOW / 2) this.pump();
  }

  #settle(): void {
    while (this.#base < this.#next && this.#acked[this.#base % RING] === 1) {
      const lane = this.#lanes[this.#base % RING]!;
      this.#lanes[this.#base % RING] = null;
      this.#base++;
      if (lane === null || lane.deleted) continue;
      lane.settleOne();
      this.#host.settled(lane);
    }
  }

  /** Everything not settled will be delivered again, unless another consumer is at it already. */
  close(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    for (const { endpoint } of this.#inputs) {
      if (endpoint.consumer === this) for (const lane of endpoint.lanes) lane.rewind();
    }
  }
}
