/**
 * An endpoint: where routes lead. It is one queue, with a lane per priority, and at most one consumer at a
 * time. Its entries stay when the consumer goes. What happens when it is full is its policy, which may change
 * at any time: whoever asks gets the one in force.
 */
import type { Overflow, QueueDefaults, QueuePolicy, QueueStatus } from "../face.ts";
import type { Journal } from "../journal/journal.ts";
import type { Lane } from "../journal/lane.ts";

export const UPSTREAM = "$upstream";
export const DEAD_LETTER_PREFIX = "$dlq/";
/** Before a device's id: what waits for it from operators and the cloud. */
export const DEVICEBOUND_PREFIX = "$c2d/";
export const FEEDBACK = "$feedback";

export type EndpointKind = QueueStatus["kind"];

/** More than the messages that a device may have waiting: their number is the bound. */
const DEVICEBOUND_BYTES_MAX = 8 * 1024 * 1024;
/** Some ten thousand records; then the oldest go. */
const FEEDBACK_BYTES_MAX = 4 * 1024 * 1024;

/** Takes entries from an endpoint's lanes. */
export interface Consumer {
  readonly kind: "module" | "mqtt" | "amqp";
  /** Entries, durability or room may be new: hand over what may be handed over. */
  pump(): void;
  /** Entries handed over and not settled. */
  readonly outstanding: number;
  /** Lets go of an endpoint that another consumer takes over: what is not settled will be handed to that one. */
  leave(endpoint: Endpoint): void;
}

export class Endpoint {
  readonly name: string;
  readonly kind: EndpointKind;
  /** Another one after its entries were deleted: ids are never used again (J28). */
  queue: number;
  /** Bytes of all its lanes together: the quota is the endpoint's (J6). */
  bytesMax = Infinity;
  overflow: Overflow = "refuse";
  /** Deliveries of one entry to a consumer on the network, before it is given up (J25). */
  deliveriesMax = Infinity;
  readonly #journal: Journal;
  /** Most urgent first. */
  lanes: Lane[];
  consumer: Consumer | null = null;
  /** Priorities of the routes in force that lead here. */
  routed: ReadonlySet<number> = new Set();

  constructor(name: string, queue: number, journal: Journal) {
    this.name = name;
    this.kind = kindOf(name);
    this.queue = queue;
    this.#journal = journal;
    this.lanes = journal.lanesOf(queue);
  }

  /** Read by offset, and settled by nobody but its bound. */
  get isLog(): boolean {
    return this.kind !== "input" && this.kind !== "devicebound";
  }

  /** What a policy leaves out is the kind's default. Dead letters have none of their own. */
  setPolicy(policy: QueuePolicy, defaults: QueueDefaults): void {
    const { bytesMax, overflow = "drop_oldest", deliveriesMax = Infinity } = standard(this.kind, defaults);
    this.bytesMax = policy.bytesMax ?? bytesMax;
    this.overflow = policy.overflow ?? overflow;
    this.deliveriesMax = policy.deliveriesMax ?? deliveriesMax;
    for (const lane of this.lanes) lane.isHeld = false; // what the policy before was waiting for
  }

  /** The lane of a priority. A log keeps one order, so it has one lane. */
  lane(priority: number): Lane {
    const wanted = this.isLog ? 0 : priority;
    const found = this.lanes.find((lane) => lane.priority === wanted);
    if (found !== undefined) return found;
    const lane = this.#journal.lane({ queue: this.queue, priority: wanted });
    this.lanes = [...this.lanes, lane].sort((a, b) => a.priority - b.priority);
    return lane;
  }

  /** Deletes a lane with what it holds, as part of the current step. */
  removeLane(lane: Lane): void {
    this.lanes = this.lanes.filter((other) => other !== lane);
    this.#journal.deleteLane(lane);
  }

  get bytes(): number {
    let bytes = 0;
    for (const lane of this.lanes) bytes += lane.bytes;
    return bytes;
  }

  get length(): number {
    let length = 0;
    for (const lane of this.lanes) length += lane.length;
    return length;
  }

  /** Producers have to wait. A log has nobody who could make room, so nobody waits for it. */
  get isFull(): boolean {
    return this.overflow === "refuse" && !this.isLog && this.bytes >= this.bytesMax;
  }
}

/** A kind's policy, where nobody says otherwise. */
function standard(kind: EndpointKind, defaults: QueueDefaults): QueuePolicy & { readonly bytesMax: number } {
  if (kind === "feedback") return { bytesMax: FEEDBACK_BYTES_MAX };
  if (kind !== "devicebound") return defaults[kind];
  return { ...defaults.devicebound, bytesMax: DEVICEBOUND_BYTES_MAX, overflow: "refuse" };
}

function kindOf(name: string): EndpointKind {
  if (name.startsWith(DEAD_LETTER_PREFIX)) return "deadLetters";
  if (name.startsWith(DEVICEBOUND_PREFIX)) return "devicebound";
  if (name === FEEDBACK) return "feedback";
  return name === UPSTREAM ? "upstream" : "input";
}
