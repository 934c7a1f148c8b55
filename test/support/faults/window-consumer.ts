/** A consumer on a delivery window whose far end is the test's: it takes what it has credit for. */
import type { Block } from "../../../abi/index.ts";
import { ENTRY } from "../../../abi/index.ts";
import { deliveryHostOf } from "../../../hub/delivery-host.ts";
import {
  DeliveryWindow,
  type Delivered,
  type DeliveryHost,
  type DeliverySink,
  type WindowInput,
  type WindowOptions,
} from "../../../hub/endpoints/delivery-window.ts";
import type { Engine } from "../../../hub/engine.ts";
import { bodyAt } from "../frames.ts";

export interface Delivery {
  readonly endpoint: string;
  readonly body: string;
  readonly sequence: number;
  readonly attempt: number;
}

/** An engine, and what differs from a consumer of inputs. */
export interface ConsumerSetup extends WindowOptions {
  readonly engine: Engine;
  readonly host?: DeliveryHost;
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
  onLockOver: (sequence: number) => void = () => undefined;

  constructor(given: Engine | ConsumerSetup, ...endpoints: readonly string[]) {
    const { engine, host, ...options }: ConsumerSetup = "engine" in given ? given : { engine: given };
    this.window = new DeliveryWindow(this, host ?? deliveryHostOf(engine), options);
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
