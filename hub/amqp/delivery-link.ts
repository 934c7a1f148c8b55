/** A link on which a module receives its inputs. The delivery window decides what goes out; credit is its edge. */
import { frameSource, type Block } from "../../abi/index.ts";
import {
  DeliveryWindow,
  type Delivered,
  type DeliveryHost,
  type DeliverySink,
} from "../endpoints/delivery-window.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { Origin } from "../sources.ts";
import { Confirmations } from "./confirmations.ts";
import { writeMessage } from "./mapping.ts";
import type { OutgoingLink, OutgoingUser } from "./outgoing-link.ts";
import { REFUSED, type Outcome } from "./outcome.ts";
import { Writer } from "./writer.ts";

export interface DeliveredEndpoint {
  readonly endpoint: Endpoint;
  /** Name of the module's input. */
  readonly input: string;
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
  readonly #confirmations: Confirmations;

  /** `onGone`: the link has ended. */
  constructor(link: OutgoingLink, host: DeliveryLinkHost, onGone: () => void) {
    this.#link = link;
    this.#onGone = onGone;
    this.#host = host;
    this.#window = new DeliveryWindow(this, host.window);
    this.#confirmations = new Confirmations(link, () => host.durable());
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
    const sender = { deviceId, moduleId };
    writeMessage(writer, block, frame, { input, sender, attempts: attempt, sequence, lockToken: null });
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
    if (!isSettled) this.#confirmations.add(deliveryId, outcome);
  }

  onUnsettled(): void {
    this.#link.session.detach(this.#link, REFUSED.unsettled);
  }

  onEnd(): void {
    this.#window.close();
    this.#onGone();
  }
}
