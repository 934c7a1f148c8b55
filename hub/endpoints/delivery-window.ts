/**
 * What a consumer on the network has in hand of its endpoints, whatever protocol it speaks: deliveries go out
 * up to a window's edge (J23), are settled in any order, come back, and are counted. Only durable entries are
 * delivered (J10).
 *
 *     pending ──deliver──▶ sent ──received──▶ received
 *        ▲                  ├────────┴── accepted, rejected ──▶ settled ──▶ the cursor passes
 *        └─ attempt + 1 ────┴── released, modified, lock over, consumer gone
 *
 * A delivery is known by its sequence number, which follows from the entry's offset and from its lane's slot
 * with the consumer. So whatever a protocol makes of it (packet id, delivery tag, lock token) is the same after
 * a crash, without a write per delivery (J25, decision 15).
 */
import { ENTRY, entryDeadline, entryTotal, type Block, type DeadLetterReason } from "../../abi/index.ts";
import type { Lane } from "../journal/lane.ts";
import type { Tables } from "../journal/tables.ts";
import { NO_SLOT, WINDOW } from "./delivery-row.ts";
import type { Consumer, Endpoint } from "./endpoint.ts";
import { LaneWindow } from "./lane-window.ts";
import { Locks } from "./locks.ts";
import { ProgressWatch } from "./progress-watch.ts";

export { WINDOW };

/** Lanes of one consumer that may have something in hand at once; others wait until one of these has nothing. */
export const SLOTS = 31;
/** What all lanes of one consumer keep in memory for what is in hand: many messages of any size. */
export const IN_HAND_BYTES_MAX = 4 * 1024 * 1024;
/** States beyond the cursor are saved at most this late; the disk gets them with the next group. */
const SAVE_MS = 100;
/** How soon a connection that was full is tried again when no settlement will tell. */
const RETRY_MS = 20;

export type Outcome = "accepted" | "rejected" | "released" | "modified";

/** What became of a delivery: on its way, done with (nothing will be said of it), or not to be had in any form. */
export type Delivered = "sent" | "settled" | "undeliverable";

/** How a message leaves its queue for good. */
export type DeliveryEnd = "accepted" | "rejected" | "deliveries" | "undeliverable" | "expired";

export interface WindowInput {
  readonly endpoint: Endpoint;
}

export interface WindowOptions {
  /**
   * How long the consumer may have one delivery, ms: then it is taken back, counted, and offered again. Without
   * it, a consumer that settles nothing for 30 s is cut.
   */
  readonly lockMs?: number;
}

/** The protocol's side. It may not call back into the window from `deliver`. */
export interface DeliverySink<Input extends WindowInput> {
  readonly kind: Consumer["kind"];
  /** The connection can take one more. */
  readonly isWritable: boolean;
  /** Who finds it not writable is pumped again when it is; else it is tried again and again. */
  readonly tellsWhenWritable?: boolean;
  /**
   * Sends one message; its bytes are valid during the call.
   * @param attempt hand-overs that failed before: more than 0 is a redelivery
   */
  deliver(input: Input, block: Block, frame: number, sequence: number, attempt: number): Delivered;
  /** Nothing was settled for too long with something in hand: close the connection, and the window. */
  onUnsettled(): void;
  /** Of a window with locks: this one is over. What the consumer may still say of the delivery means nothing. */
  onLockOver?(sequence: number): void;
}

/** The hub's side. */
export interface DeliveryHost {
  readonly tables: Tables;
  nowPowered(): number;
  delivered(attempt: number): void;
  expired(lane: Lane): void;
  /** Gives the frame up, as part of the current step. */
  bury(endpoint: Endpoint, block: Block, frame: number, reason: DeadLetterReason): void;
  /** The lane's cursor may have moved. */
  settled(lane: Lane): void;
  /** Whether a message's time is over by something else than its entry's deadline. */
  isOver?(block: Block, frame: number): boolean;
  /** A message leaves its queue, as part of the step that takes it out (J2). */
  ended?(endpoint: Endpoint, block: Block, frame: number, end: DeliveryEnd): void;
}

interface Attached<Input> {
  readonly input: Input;
  /** As the endpoint had them when `windows` was made. */
  lanes: readonly Lane[];
  windows: readonly LaneWindow[];
}

export class DeliveryWindow<Input extends WindowInput> implements Consumer {
  readonly #sink: DeliverySink<Input>;
  readonly #host: DeliveryHost;
  #attached: readonly Attached<Input>[] = [];
  readonly #slots: (LaneWindow | null)[] = Array.from({ length: SLOTS }, () => null);
  #inFlight = 0;
  /** Bytes that may still be taken in hand; of the pump that runs. */
  #room = IN_HAND_BYTES_MAX;
  /** The last pump ended at an edge: entries wait for a settlement. */
  #isHeldUp = false;
  #first = 0;
  /** One of the two. */
  readonly #watch: ProgressWatch | null;
  readonly #locks: Locks | null;
  #retryTimer: NodeJS.Timeout | null = null;
  #saveTimer: NodeJS.Timeout | null = null;

  constructor(sink: DeliverySink<Input>, host: DeliveryHost, { lockMs }: WindowOptions = {}) {
    this.#sink = sink;
    this.#host = host;
    this.#locks = lockMs === undefined ? null : new Locks(lockMs, (sequence) => this.#lockOver(sequence));
    this.#watch = lockMs === undefined ? new ProgressWatch(this, sink) : null;
  }

  get kind(): Consumer["kind"] {
    return this.#sink.kind;
  }

  get outstanding(): number {
    return this.#inFlight;
  }

  /** Consumes exactly these endpoints from now on. Those it had stay as they are, with what is in hand. */
  attach(inputs: readonly Input[]): void {
    for (const { input } of this.#attached) {
      if (!inputs.some(({ endpoint }) => endpoint === input.endpoint)) this.leave(input.endpoint);
    }
    for (const input of inputs) {
      const { endpoint } = input;
      if (endpoint.consumer === this) continue;
      endpoint.consumer?.leave(endpoint);
      endpoint.consumer = this;
      this.#attached = [...this.#attached, { input, lanes: [], windows: [] }];
    }
  }

  leave(endpoint: Endpoint): void {
    const left = this.#attached.find(({ input }) => input.endpoint === endpoint);
    if (left === undefined) return;
    for (const window of left.windows) this.#drop(window);
    this.#attached = this.#attached.filter((attached) => attached !== left);
    if (endpoint.consumer === this) endpoint.consumer = null;
  }

  /** The consumer is gone. Everything it did not settle will be delivered again, to whoever comes next (J25). */
  close(): void {
    for (const { input } of this.#attached) this.leave(input.endpoint);
    this.#watch?.close();
    for (const timer of [this.#retryTimer, this.#saveTimer]) if (timer !== null) clearTimeout(timer);
    this.#retryTimer = this.#saveTimer = null;
  }

  #drop(window: LaneWindow): void {
    this.#inFlight -= window.inFlight;
    if (this.#slots[window.slot] === window) this.#slots[window.slot] = null;
    this.#locks?.releaseAll((sequence) => sequence % SLOTS === window.slot);
    window.close();
  }

  /** Inputs take turns to be first; of each input the most urgent lane goes first. */
  pump(): void {
    this.#isHeldUp = false;
    this.#room = IN_HAND_BYTES_MAX - this.#follow();
    const n = this.#attached.length;
    if (n > 1) this.#first = (this.#first + 1) % n;
    for (let i = 0; i < n; i++) {
      const { input, windows } = this.#attached[(this.#first + i) % n]!;
      for (const window of windows) if (!this.#drain(input, window)) return this.#holdUp();
    }
  }

  /** Looks at what others have done to the lanes. Returns the bytes in hand. */
  #follow(): number {
    let bytes = 0;
    for (const attached of this.#attached) {
      if (attached.lanes !== attached.input.endpoint.lanes) this.#renew(attached);
      for (const window of attached.windows) {
        const before = window.inFlight;
        window.follow();
        this.#inFlight += window.inFlight - before;
        bytes += window.lane.bytesInHand;
      }
    }
    return bytes;
  }

  #renew(attached: Attached<Input>): void {
    const known = new Map(attached.windows.map((window) => [window.lane, window]));
    attached.lanes = attached.input.endpoint.lanes;
    for (const window of attached.windows) if (!attached.lanes.includes(window.lane)) this.#drop(window);
    attached.windows = attached.lanes.map((lane) => known.get(lane) ?? this.#windowOf(lane));
  }

  #windowOf(lane: Lane): LaneWindow {
    const window = new LaneWindow(lane, this.#host.tables);
    if (window.slot >= SLOTS || this.#slots[window.slot] !== null) window.slot = NO_SLOT;
    else this.#slots[window.slot] = window;
    return window;
  }

  /** Delivers what there is; `false` at an edge of the consumer as a whole. */
  #drain(input: Input, window: LaneWindow): boolean {
    const { lane } = window;
    if (lane.deleted) return true;
    const now = this.#host.nowPowered();
    while (true) {
      const offset = window.next();
      if (offset < 0) {
        this.#isHeldUp ||= window.isAtEdge;
        return true;
      }
      if (this.#inFlight >= WINDOW || !this.#sink.isWritable) return false;
      const bytes = window.isReturned ? 0 : entryTotal(window.block, window.at);
      if (bytes > this.#room) return false;
      if (window.slot === NO_SLOT && !this.#takeSlot(window)) {
        this.#isHeldUp = true;
        return true;
      }
      if (this.#hand(input, window, offset, now)) this.#room -= bytes;
    }
  }

  /** One entry, to the consumer or to where it belongs instead. Returns whether it is in hand now. */
  #hand(input: Input, window: LaneWindow, offset: number, now: number): boolean {
    const { block, at } = window;
    const { endpoint } = input;
    const attempt = window.attemptOf(offset);
    const frame = at + ENTRY.SIZE;
    if (entryDeadline(block, at) <= now || this.#host.isOver?.(block, frame) === true) {
      this.#host.expired(window.lane);
      return this.#passOver(endpoint, window, offset, "expired");
    } else if (attempt >= endpoint.deliveriesMax) {
      return this.#bury(endpoint, window, offset, "deliveries");
    } else {
      const sequence = offset * SLOTS + window.slot;
      const delivered = this.#sink.deliver(input, block, frame, sequence, attempt);
      if (delivered === "undeliverable") return this.#bury(endpoint, window, offset, "undeliverable");
      this.#host.delivered(attempt);
      if (delivered === "settled") return this.#passOver(endpoint, window, offset, "accepted");
      window.sent(offset);
      if (this.#inFlight++ === 0) this.#watch?.begin();
      this.#locks?.take(sequence);
      this.#changed(window);
      return true;
    }
  }

  /** An entry that is not in flight is over, with nothing to be kept of it. */
  #passOver(endpoint: Endpoint, window: LaneWindow, offset: number, end: DeliveryEnd): false {
    this.#host.ended?.(endpoint, window.block, window.at + ENTRY.SIZE, end);
    window.passOver(offset);
    this.#settled(window);
    return false;
  }

  /** An entry that is not in flight is given up: the letter and the state are one step. */
  #bury(
    endpoint: Endpoint,
    window: LaneWindow,
    offset: number,
    reason: "deliveries" | "undeliverable",
  ): false {
    this.#host.bury(endpoint, window.block, window.at + ENTRY.SIZE, { reason });
    this.#host.ended?.(endpoint, window.block, window.at + ENTRY.SIZE, reason);
    window.passOver(offset);
    window.save();
    this.#host.settled(window.lane);
    return false;
  }

  /** A slot that nobody has, or whose lane has nothing in hand. */
  #takeSlot(window: LaneWindow): boolean {
    const free = this.#slots.findIndex(
      (other) => other === null || other.lane.reader.offset === other.lane.cursor.offset,
    );
    if (free < 0) return false;
    const other = this.#slots[free]!;
    if (other !== null) other.slot = NO_SLOT;
    this.#slots[free] = window;
    window.slot = free;
    return true;
  }

  #holdUp(): void {
    this.#isHeldUp = true;
    if (this.#inFlight > 0 || this.#sink.tellsWhenWritable === true) return; // a settlement will tell, or the sink
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = null;
      this.pump();
    }, RETRY_MS);
  }

  /**
   * The sequence number in flight that is congruent to `residue`, or -1: what an answer means that carries no
   * more of it. `modulus` is a multiple of `SLOTS`, and of `WINDOW` lanes at least.
   */
  sequenceAt(residue: number, modulus: number): number {
    const slot = residue % SLOTS;
    const window = this.#slots[slot];
    if (window === undefined || window === null) return -1;
    const span = modulus / SLOTS;
    const low = (residue - slot) / SLOTS;
    const offset = window.base + ((low - (window.base % span) + span) % span);
    return window.isInFlight(offset) ? offset * SLOTS + slot : -1;
  }

  /** The consumer has it, and will settle it later. Returns `false` when it is not in flight. */
  receive(sequence: number): boolean {
    const window = this.#inFlightAt(sequence);
    if (window === null) return false;
    window.received(Math.floor(sequence / SLOTS));
    this.#watch?.progress();
    return true;
  }

  /** What the consumer says of one delivery; `text`: why it was rejected, in its words. Returns `false`, and does nothing, when it is not in flight. */
  settle(sequence: number, outcome: Outcome, text?: string): boolean {
    const window = this.#inFlightAt(sequence);
    if (window === null) return false;
    const offset = Math.floor(sequence / SLOTS);
    this.#watch?.progress();
    this.#inFlight--;
    this.#locks?.release(sequence);
    if (outcome === "accepted") {
      this.#accept(window, offset);
    } else if (outcome === "rejected") {
      this.#reject(window, offset, text);
    } else {
      window.giveBack(offset);
      this.#changed(window);
      this.#isHeldUp = true;
    }
    if (this.#isHeldUp && this.#inFlight <= WINDOW / 2) this.pump();
    return true;
  }

  /** Taken back, and offered again. */
  #lockOver(sequence: number): void {
    this.#sink.onLockOver?.(sequence);
    this.settle(sequence, "released");
  }

  #accept(window: LaneWindow, offset: number): void {
    if (this.#host.ended !== undefined) {
      window.locate(offset);
      this.#host.ended(this.#endpointOf(window), window.block, window.at + ENTRY.SIZE, "accepted");
    }
    window.settle(offset);
    this.#settled(window);
  }

  #endpointOf(window: LaneWindow): Endpoint {
    return this.#attached.find(({ windows }) => windows.includes(window))!.input.endpoint;
  }

  #inFlightAt(sequence: number): LaneWindow | null {
    const window = this.#slots[sequence % SLOTS] ?? null;
    if (window === null || window.lane.deleted) return null;
    return window.isInFlight(Math.floor(sequence / SLOTS)) ? window : null;
  }

  /** The letter and the settlement are one step, also when the cursor cannot move yet. */
  #reject(window: LaneWindow, offset: number, text: string | undefined): void {
    const endpoint = this.#endpointOf(window);
    const reason: DeadLetterReason = { reason: "rejected", ...(text !== undefined && { text }) };
    window.locate(offset);
    this.#host.bury(endpoint, window.block, window.at + ENTRY.SIZE, reason);
    this.#host.ended?.(endpoint, window.block, window.at + ENTRY.SIZE, "rejected");
    window.settle(offset);
    window.save();
    this.#host.settled(window.lane);
  }

  #settled(window: LaneWindow): void {
    if (this.#host.ended === undefined) this.#changed(window);
    else window.save(); // in the step of what was told
    this.#host.settled(window.lane);
  }

  #changed(window: LaneWindow): void {
    window.isChanged = true;
    this.#saveTimer ??= setTimeout(() => this.#save(), SAVE_MS).unref();
  }

  #save(): void {
    this.#saveTimer = null;
    for (const { windows } of this.#attached) {
      for (const window of windows) if (window.isChanged) window.save();
    }
  }
}
