/**
 * The topics a connection published to last, each with what the handler made of it. Devices nearly always
 * repeat a few topics, so a topic is compared as bytes and becomes a string only when it is new.
 */
import { TOPIC_CACHED_BYTES_MAX, TOPICS_CACHED_MAX } from "./limits.ts";

export interface KnownTopic<Plan> {
  bytes: Uint8Array;
  /** Bytes of `bytes` that are the topic; the rest is room left by a longer one. */
  length: number;
  plan: Plan;
}

export class TopicCache<Plan> {
  /** Most recently used first. */
  readonly #known: KnownTopic<Plan>[] = [];

  find(bytes: Buffer, from: number, to: number): KnownTopic<Plan> | null {
    const known = this.#known;
    for (let i = 0; i < known.length; i++) {
      const topic = known[i]!;
      if (!isSame(topic, bytes, from, to)) continue;
      if (i > 0) this.#moveToFront(i);
      return topic;
    }
    return null;
  }

  /** Remembers a topic; the storage of the least recently used one is used again when it is large enough. */
  remember(bytes: Buffer, from: number, to: number, plan: Plan): void {
    const length = to - from;
    if (length > TOPIC_CACHED_BYTES_MAX) return;
    let topic = this.#known.length < TOPICS_CACHED_MAX ? undefined : this.#known.pop();
    if (topic === undefined || topic.bytes.length < length) {
      topic = { bytes: new Uint8Array(length), length, plan };
    }
    for (let i = 0; i < length; i++) topic.bytes[i] = bytes[from + i]!;
    topic.length = length;
    topic.plan = plan;
    this.#known.unshift(topic);
  }

  clear(): void {
    this.#known.length = 0;
  }

  #moveToFront(index: number): void {
    const topic = this.#known[index]!;
    for (let i = index; i > 0; i--) this.#known[i] = this.#known[i - 1]!;
    this.#known[0] = topic;
  }
}

/** From the end: topics of one device differ in their last bytes. */
function isSame(topic: KnownTopic<unknown>, bytes: Buffer, from: number, to: number): boolean {
  if (topic.length !== to - from) return false;
  const known = topic.bytes;
  for (let i = topic.length - 1; i >= 0; i--) if (known[i] !== bytes[from + i]) return false;
  return true;
}
