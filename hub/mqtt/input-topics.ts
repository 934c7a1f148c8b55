/**
 * The topics under which one subscriber receives one input's messages, remembered per source: devices nearly
 * always send the same properties, so building the topic anew costs only where they change.
 */
import {
  align8,
  appLength,
  appStart,
  frameSource,
  sysLength,
  sysStart,
  type Block,
} from "../../abi/index.ts";
import { encodeBag, type MessageSource } from "./property-bag.ts";
import { inputTopic } from "./topics.ts";

/** Beyond this many sources everything is forgotten, and what is in use is soon back. */
const SOURCES_MAX = 1_024;
/** Longer sections are not remembered: they hold what changes with each message. */
const SECTION_WORDS_MAX = 256;

interface Known {
  readonly sysLength: number;
  readonly appLength: number;
  /** Both sections as they lie in the frame. */
  readonly words: Uint32Array;
  readonly topic: Buffer;
  readonly qosMax: 0 | 1;
}

/** The property by which a message asks to be delivered with less (contract §4.2), as it is in a bag. */
export const QOS_0 = /(?:^|&)mqtt-qos=0(?:&|$)/;

export class InputTopics {
  readonly #deviceId: string;
  readonly #moduleId: string;
  readonly #input: string;
  readonly #sourceOf: (sourceId: number) => MessageSource;
  readonly #known = new Map<number, Known>();
  /** Most that the frame of the last topic may be delivered with. */
  qosMax: 0 | 1 = 1;

  constructor(
    deviceId: string,
    moduleId: string,
    input: string,
    sourceOf: (sourceId: number) => MessageSource,
  ) {
    this.#deviceId = deviceId;
    this.#moduleId = moduleId;
    this.#input = input;
    this.#sourceOf = sourceOf;
  }

  /** Topic of the frame at `at`, not to be written to; `null` when it would be longer than MQTT allows. */
  topicOf(block: Block, at: number): Buffer | null {
    const sourceId = frameSource(block, at);
    const known = this.#known.get(sourceId);
    if (known !== undefined && isSame(known, block, at)) {
      this.qosMax = known.qosMax;
      return known.topic;
    }
    const bag = encodeBag(block, at, this.#sourceOf(sourceId));
    this.qosMax = QOS_0.test(bag) ? 0 : 1;
    const topic = inputTopic(this.#deviceId, this.#moduleId, this.#input, bag);
    if (topic !== null) this.#remember(sourceId, block, at, topic);
    return topic;
  }

  #remember(sourceId: number, block: Block, at: number, topic: Buffer): void {
    const from = sysStart(block, at) >> 2;
    const to = (appStart(block, at) + align8(appLength(block, at))) >> 2;
    if (to - from > SECTION_WORDS_MAX) return;
    if (this.#known.size >= SOURCES_MAX) this.#known.clear();
    this.#known.set(sourceId, {
      sysLength: sysLength(block, at),
      appLength: appLength(block, at),
      words: block.u32.slice(from, to),
      topic,
      qosMax: this.qosMax,
    });
  }
}

function isSame(known: Known, block: Block, at: number): boolean {
  if (sysLength(block, at) !== known.sysLength || appLength(block, at) !== known.appLength) return false;
  const { words } = known;
  const { u32 } = block;
  const from = sysStart(block, at) >> 2;
  for (let i = 0; i < words.length; i++) if (words[i] !== u32[from + i]) return false;
  return true;
}
