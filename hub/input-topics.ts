/**
 * Topics of deliveries to module inputs (contract §4.4). Nearly all messages of a queue have the same source
 * and properties as the one before, so the last topic is kept and compared with by bytes.
 */
import { bodyStart, FRAME, frameSource, sysStart, type Block } from "../abi/index.ts";
import { encodeBag } from "./mqtt/property-bag.ts";
import { inputTopic } from "./mqtt/topics.ts";
import type { Sources } from "./sources.ts";

export class InputTopics {
  readonly #sources: Sources;
  #key = Buffer.alloc(0);
  #sourceId = -1;
  #input = "";
  #module = "";
  #topic: Uint8Array = new Uint8Array(0);

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  topic(deviceId: string, moduleId: string, input: string, block: Block, frame: number): Uint8Array {
    const from = sysStart(block, frame);
    const to = bodyStart(block, frame);
    const isSame =
      this.#sourceId === frameSource(block, frame) &&
      this.#input === input &&
      this.#module === moduleId &&
      this.#key.length === to - from + 8 &&
      this.#key.compare(block.u8, frame + FRAME.SYS, frame + FRAME.SYS + 8, 0, 8) === 0 &&
      this.#key.compare(block.u8, from, to, 8) === 0;
    if (!isSame) this.#make(deviceId, moduleId, input, block, frame, from, to);
    return this.#topic;
  }

  #make(
    deviceId: string,
    moduleId: string,
    input: string,
    block: Block,
    frame: number,
    from: number,
    to: number,
  ): void {
    this.#sourceId = frameSource(block, frame);
    this.#input = input;
    this.#module = moduleId;
    this.#key = Buffer.concat([
      block.u8.subarray(frame + FRAME.SYS, frame + FRAME.SYS + 8),
      block.u8.subarray(from, to),
    ]);
    const origin = this.#sources.origin(this.#sourceId);
    // Properties that no topic has room for are left out: the body matters more, and the message must move on.
    this.#topic =
      inputTopic(deviceId, moduleId, input, encodeBag(block, frame, origin)) ??
      inputTopic(deviceId, moduleId, input, `%24.cdid=${encodeURIComponent(origin.deviceId)}`) ??
      new Uint8Array(0);
  }
}
