/** The topics under which a device receives cloud-to-device messages. Nearly each has an id, so none is remembered. */
import type { Block } from "../../abi/index.ts";
import { QOS_0 } from "./input-topics.ts";
import { encodeBag } from "./property-bag.ts";
import { deviceboundTopic } from "./topics.ts";

export class DeviceboundTopics {
  readonly #deviceId: string;
  /** Most that the frame of the last topic may be delivered with. */
  qosMax: 0 | 1 = 1;

  constructor(deviceId: string) {
    this.#deviceId = deviceId;
  }

  /** Topic of the frame at `at`; `null` when it would be longer than MQTT allows. */
  topicOf(block: Block, at: number): Buffer | null {
    const bag = encodeBag(block, at, null);
    this.qosMax = QOS_0.test(bag) ? 0 : 1;
    return deviceboundTopic(this.#deviceId, bag);
  }
}
