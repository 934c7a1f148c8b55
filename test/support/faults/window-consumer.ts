/** A consumer on a delivery window whose far end is the test's: it takes what it has credit for. */
import type { Block } from "../../../abi/index.ts";
import { ENTRY } from "../../../abi/index.ts";
import { deliveryHostOf } from "../../../hub/delivery-host.ts";
import {
  DeliveryWindow,
  type Delivered,
  type DeliverySink,
  type WindowInput,
} from "../../../hub/endpoints/delivery-window.ts";
import type { Engine } from "../../../hub/engine.ts";
import { bodyAt } from "../frames.ts";

export interface Delivery {
  readonly endpoint: string;
  readonly body: string;
  readonly sequence: number;
  readonly attempt: number;
}

export class WindowConsumer implements DeliverySink<WindowInput> {
  readonly kind = "mqtt";
  readonly window: DeliveryWindow<WindowInput>;
  /** Everything delivered, in order. */
  readonly got: Delivery[] = [];
  credit = Infinity;
  isCut = false;
  /** What becomes of a message. */
  answer: (body: string) => Delivered = () => "sent";
  onDelivery: (delivery: Delivery) => void = () => undefined;

  constructor(engine: Engine, ...endpoints: readonly string[]) {
    this.window = new DeliveryWindow(this, deliveryHostOf(engine));
    this.window.attach(endpoints.map((name) => ({ endpoint: engine.endpoints.find(name)! })));
    engine.tick();
  }

  get isWritable(): boolean {
    return this.credit > 0;
  }

  deliver(
    { endpoint }: WindowInput,
    block: Block,
    frame: number,
    sequence: number,
    attempt: number,
  ): Delivered {
    const delivery = {
      endpoint: endpoint.name,
      body: bodyAt(block, frame - ENTRY.SIZE),
      sequence,
      attempt,
    };
    const answer = this.answer(delivery.body);
    if (answer === "undeliverable") return answer;
    this.credit--;
    this.got.push(delivery);
    this.onDelivery(delivery);
    return answer;
  }

  onUnsettled(): void {
    this.isCut = true;
    this.window.close();
  }
}
