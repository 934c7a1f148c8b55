/**
 * All endpoints by name, and their queue ids: assigned once, durable, never reused (J28).
 */
import type { Journal } from "../journal/journal.ts";
import { TABLE } from "../journal/tables.ts";
import type { DroppedQueue, QueueDefaults, QueuePolicy } from "../face.ts";
import { DEAD_LETTER_PREFIX, Endpoint } from "./endpoint.ts";

const NEXT_QUEUE = "nextQueue";

export class Endpoints {
  readonly #journal: Journal;
  readonly defaults: QueueDefaults;
  readonly #byName = new Map<string, Endpoint>();
  #policies: ReadonlyMap<string, QueuePolicy> = new Map();

  constructor(journal: Journal, defaults: QueueDefaults) {
    this.#journal = journal;
    this.defaults = defaults;
    for (const [name, id] of journal.tables.entries(TABLE.QUEUE)) {
      this.#make(Buffer.from(name, "latin1").toString(), id.readUInt32LE(0));
    }
  }

  #make(name: string, queue: number): Endpoint {
    const endpoint = new Endpoint(name, queue, this.#journal);
    endpoint.setPolicy(this.#policies.get(name) ?? {}, this.defaults);
    this.#byName.set(name, endpoint);
    return endpoint;
  }

  /** Policies by name, in force at once, and for endpoints that are still to come. */
  setPolicies(policies: ReadonlyMap<string, QueuePolicy>): void {
    this.#policies = policies;
    for (const endpoint of this.all()) endpoint.setPolicy(policies.get(endpoint.name) ?? {}, this.defaults);
  }

  /** The endpoint of that name, made as part of the current step when it is new. */
  open(name: string): Endpoint {
    const found = this.#byName.get(name);
    return found ?? this.#make(name, this.#newQueue(name));
  }

  #newQueue(name: string): number {
    const { tables } = this.#journal;
    const queue = tables.get(TABLE.META, NEXT_QUEUE)?.readUInt32LE(0) ?? 1;
    tables.put(TABLE.META, NEXT_QUEUE, u32(queue + 1));
    tables.put(TABLE.QUEUE, Buffer.from(name).toString("latin1"), u32(queue));
    this.#journal.step();
    return queue;
  }

  find(name: string): Endpoint | undefined {
    return this.#byName.get(name);
  }

  /** Where entries of `name` go when they are given up. */
  deadLettersOf(name: string): Endpoint {
    return this.open(name.startsWith(DEAD_LETTER_PREFIX) ? name : DEAD_LETTER_PREFIX + name);
  }

  /**
   * Deletes what an endpoint holds, as part of the current step, and says what it was. The endpoint goes with
   * it, unless somebody is attached to it: then it goes on as a new queue.
   */
  remove(endpoint: Endpoint): DroppedQueue {
    const dropped = { endpoint: endpoint.name, messages: endpoint.length, bytes: endpoint.bytes };
    for (const lane of endpoint.lanes) endpoint.removeLane(lane);
    if (endpoint.consumer !== null) {
      endpoint.queue = this.#newQueue(endpoint.name);
    } else {
      this.#byName.delete(endpoint.name);
      this.#journal.tables.delete(TABLE.QUEUE, Buffer.from(endpoint.name).toString("latin1"));
      this.#journal.step();
    }
    return dropped;
  }

  all(): IterableIterator<Endpoint> {
    return this.#byName.values();
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
