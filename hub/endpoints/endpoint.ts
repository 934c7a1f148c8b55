/**
 * An endpoint: where routes lead. It is one queue, with a lane per priority, and at most one consumer at a
 * time. Its entries stay when the consumer goes.
 */
import type { Journal } from "../journal/journal.ts";
import type { Lane } from "../journal/lane.ts";

export const UPSTREAM = "$upstream";
export const DEAD_LETTER_PREFIX = "$dlq/";

/** Bytes one endpoint may hold before its overflow policy applies (J6), by what it is. */
export interface EndpointBounds {
  readonly input: number;
  readonly log: number;
  readonly deadLetters: number;
}

export const ENDPOINT_BYTES_MAX: EndpointBounds = {
  input: 256 * 1024 * 1024,
  log: 256 * 1024 * 1024,
  deadLetters: 16 * 1024 * 1024,
};

/** What happens to a message for a full endpoint (J21): the producer waits, or the oldest goes. */
export type Overflow = "refuse" | "drop_oldest";

/** Takes entries from an endpoint's lanes. */
export interface Consumer {
  readonly kind: "module" | "mqtt";
  /** Entries, durability or room may be new: hand over what may be handed over. */
  pump(): void;
  /** Entries handed over and not settled. */
  readonly outstanding: number;
  /** Lets go of an endpoint that another consumer takes over: what is not settled will be handed to that one. */
  leave(endpoint: Endpoint): void;
}

export class Endpoint {
  readonly name: string;
  readonly queue: number;
  readonly overflow: Overflow;
  readonly bytesMax: number;
  readonly #journal: Journal;
  /** Most urgent first. */
  lanes: Lane[];
  consumer: Consumer | null = null;
  /** Deliveries of one entry to a consumer on the network, before it is given up. */
  deliveriesMax = Infinity;

  constructor(name: string, queue: number, journal: Journal, bytesMax: EndpointBounds) {
    this.name = name;
    this.queue = queue;
    this.#journal = journal;
    const isDeadLetters = name.startsWith(DEAD_LETTER_PREFIX);
    this.overflow = isDeadLetters || name === UPSTREAM ? "drop_oldest" : "refuse";
    this.bytesMax = bytesMax[isDeadLetters ? "deadLetters" : name === UPSTREAM ? "log" : "input"];
    this.lanes = journal.lanesOf(queue);
  }

  /** The lane of a priority. A log keeps one order, so it has one lane. */
  lane(priority: number): Lane {
    const wanted = this.overflow === "drop_oldest" ? 0 : priority;
    const found = this.lanes.find((lane) => lane.priority === wanted);
    if (found !== undefined) return found;
    const lane = this.#journal.lane({ queue: this.queue, priority: wanted });
    this.lanes = [...this.lanes, lane].sort((a, b) => a.priority - b.priority);
    return lane;
  }

  get bytes(): number {
    let bytes = 0;
    for (const lane of this.lanes) bytes += lane.bytes;
    return bytes;
  }

  get isFull(): boolean {
    return this.overflow === "refuse" && this.bytes >= this.bytesMax;
  }
}
