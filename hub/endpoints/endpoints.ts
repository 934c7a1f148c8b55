/**
 * All endpoints by name, and their queue ids: assigned once, durable, never reused (J28).
 */
import type { Journal } from "../journal/journal.ts";
import { TABLE } from "../journal/tables.ts";
import { DEAD_LETTER_PREFIX, Endpoint, type EndpointBounds } from "./endpoint.ts";

const NEXT_QUEUE = "nextQueue";

export class Endpoints {
  readonly #journal: Journal;
  readonly #bytesMax: EndpointBounds;
  readonly #byName = new Map<string, Endpoint>();

  constructor(journal: Journal, bytesMax: EndpointBounds) {
    this.#journal = journal;
    this.#bytesMax = bytesMax;
    for (const [name, id] of journal.tables.entries(TABLE.QUEUE)) {
      const text = Buffer.from(name, "latin1").toString();
      this.#byName.set(text, new Endpoint(text, id.readUInt32LE(0), journal, bytesMax));
    }
  }

  /** The endpoint of that name, made as part of the current step when it is new. */
  open(name: string): Endpoint {
    const found = this.#byName.get(name);
    if (found !== undefined) return found;
    const { tables } = this.#journal;
    const queue = tables.get(TABLE.META, NEXT_QUEUE)?.readUInt32LE(0) ?? 1;
    tables.put(TABLE.META, NEXT_QUEUE, u32(queue + 1));
    tables.put(TABLE.QUEUE, Buffer.from(name).toString("latin1"), u32(queue));
    this.#journal.step();
    const endpoint = new Endpoint(name, queue, this.#journal, this.#bytesMax);
    this.#byName.set(name, endpoint);
    return endpoint;
  }

  find(name: string): Endpoint | undefined {
    return this.#byName.get(name);
  }

  /** Where entries of `name` go when they are given up. */
  deadLettersOf(name: string): Endpoint {
    return this.open(name.startsWith(DEAD_LETTER_PREFIX) ? name : DEAD_LETTER_PREFIX + name);
  }

  /** Forgets an endpoint with all it holds, as part of the current step. Returns what was dropped. */
  remove(name: string): number {
    const endpoint = this.#byName.get(name);
    if (endpoint === undefined) return 0;
    let dropped = 0;
    for (const lane of endpoint.lanes) {
      dropped += lane.length;
      this.#journal.deleteLane(lane);
    }
    this.#byName.delete(name);
    this.#journal.tables.delete(TABLE.QUEUE, Buffer.from(name).toString("latin1"));
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
