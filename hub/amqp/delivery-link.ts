/**
 * A link on which a client receives what waits for it: a module its inputs, a device its cloud-to-device
 * messages. The delivery window decides what goes out; credit is its edge. A client that leaves settlement to
 * us (`rcv-settle-mode` second) hears that it is settled when that is durable (J1).
 */
import { frameSource, type Block } from "../../abi/index.ts";
import {
  DeliveryWindow,
  type Delivered,
  type DeliveryHost,
  type DeliverySink,
} from "../endpoints/delivery-window.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { Origin } from "../sources.ts";
import { writeMessage } from "./mapping.ts";
import type { OutgoingLink, OutgoingUser } from "./outgoing-link.ts";
import { REFUSED, type Outcome } from "./outcome.ts";
import { Writer } from "./writer.ts";

export interface DeliveredEndpoint {
  readonly endpoint: Endpoint;
  /** Name of the module's input; `null` for a device. */
  readonly input: string | null;
}

export interface DeliveryLinkHost {
  readonly window: DeliveryHost;
  originOf(sourceId: number): Origin;
  /** Resolves when all steps so far are durable. */
  durable(): Promise<void>;
}

const writer = new Writer();

export class DeliveryLink implements OutgoingUser, DeliverySink<DeliveredEndpoint> {
  readonly kind = "amqp";
  /** Credit comes with a flow. */
  readonly tellsWhenWritable = true;
  readonly #link: OutgoingLink;
  readonly #host: DeliveryLinkHost;
  readonly #window: DeliveryWindow<DeliveredEndpoint>;
  readonly #onGone: () => void;
  /** Outcomes of this turn that the client wants to see settled. */
  #told: { readonly deliveryId: number; readonly outcome: Outcome }[] = [];

  /** `onGone`: the link has ended. */
  constructor(link: OutgoingLink, host: DeliveryLinkHost, onGone: () => void) {
    this.#link = link;
    this.#onGone = onGone;
    this.#host = host;
    this.#window = new DeliveryWindow(this, host.window);
  }

  /** Delivers from these from now on; what is in hand of those it had stays in hand. */
  deliverFrom(endpoints: readonly DeliveredEndpoint[]): void {
    this.#window.attach(endpoints);
    this.#window.pump();
  }

  get isWritable(): boolean {
    return this.#link.canSend;
  }

  deliver(
    { input }: DeliveredEndpoint,
    block: Block,
    frame: number,
    sequence: number,
    attempt: number,
  ): Delivered {
    const { deviceId, moduleId } = this.#host.originOf(frameSource(block, frame));
    writer.reset();
    writeMessage(writer, block, frame, { input, deviceId, moduleId, attempts: attempt, sequence });
    const tag = Buffer.allocUnsafe(8);
    tag.writeDoubleBE(sequence);
    const { isAlwaysSettled } = this.#link;
    this.#link.send(writer.view(), tag, isAlwaysSettled, sequence);
    return isAlwaysSettled ? "settled" : "sent";
  }

  onCredit(): void {
    this.#window.pump();
  }

  onOutcome(sequence: number, outcome: Outcome, deliveryId: number, isSettled: boolean): void {
    this.#window.settle(sequence, outcome);
    if (isSettled) return;
    this.#told.push({ deliveryId, outcome });
    if (this.#told.length === 1) void this.#confirm();
  }

  /** Once per group, not per delivery. */
  async #confirm(): Promise<void> {
    await Promise.resolve(); // the rest of this frame's deliveries
    const told = this.#told;
    this.#told = [];
    await this.#host.durable();
    for (const { deliveryId, outcome } of told) this.#link.confirm(deliveryId, outcome);
  }

  onUnsettled(): void {
    this.#link.session.detach(this.#link, REFUSED.unsettled);
  }

  onEnd(): void {
    this.#window.close();
    this.#onGone();
  }
}
