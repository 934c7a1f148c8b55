/**
 * Taps: a live copy of what is appended to an endpoint, for looking and not for consuming. A tap has no place in
 * the journal and holds nothing up: at the end of a turn it looks at what is new, takes what its rate allows, and
 * counts the rest. What it shows may be not yet durable, and is gone after a crash (J1 excepts it).
 *
 * A hub that nobody taps asks one question a turn. One that is tapped walks the headers of one slab per lane and
 * tap while the rate allows, and copies at most `perSecond` messages a second.
 */
import { entryOffset, entryTotal, SandpiperError, type Block } from "../../abi/index.ts";
import type { Endpoints } from "../endpoints/endpoints.ts";
import { eventRecord } from "./events.ts";
import type { EventRecord, TapPage } from "../face.ts";
import type { Lane } from "../journal/lane.ts";
import type { Clock } from "../journal/powered-clock.ts";
import type { Slab } from "../journal/slab.ts";
import type { Sources } from "../sources.ts";

export const TAPS_MAX = 8;
/** Messages one tap may copy per second. */
export const TAP_PER_SECOND_MAX = 1_000;
/** What one tap holds for its reader: when it is full, the oldest go. */
export const TAP_EVENTS_MAX = 1_000;
export const TAP_BYTES_MAX = 1024 * 1024;
/** A tap that nobody reads for so long is closed, ms. */
export const TAP_UNREAD_MS_MAX = 30_000;

/** Up to where a lane was looked at. The slab is where to begin to look for what follows. */
interface Seen {
  offset: number;
  slab: Slab;
}

/** A message that waits for the reader. */
interface Held {
  readonly event: EventRecord;
  readonly bytes: number;
}

export class Tap {
  readonly endpoint: string;
  readonly #perSecond: number;
  readonly #sources: Sources;
  readonly #seen = new Map<Lane, Seen>();
  #held: Held[] = [];
  #bytes = 0;
  #skipped = 0;
  /** Messages that may be taken now: at most those of one second. */
  #allowance: number;
  #filledMs: number;
  #wake: (() => void) | null = null;

  constructor(endpoint: string, perSecond: number, sources: Sources, nowMs: number) {
    this.endpoint = endpoint;
    this.#perSecond = this.#allowance = perSecond;
    this.#sources = sources;
    this.#filledMs = nowMs;
  }

  /** From here on: what the lanes hold already was there before the tap. */
  begin(lanes: readonly Lane[]): void {
    for (const lane of lanes) this.#seen.set(lane, { offset: lane.tail, slab: lane.last });
  }

  /** Takes what is new in the lanes, as much as the rate allows. */
  look(lanes: readonly Lane[], nowMs: number): void {
    this.#fill(nowMs);
    for (const lane of lanes) {
      const seen = this.#seen.get(lane) ?? this.#first(lane);
      if (seen.offset < lane.tail) this.#take(lane, seen);
      seen.offset = lane.tail;
      seen.slab = lane.last;
    }
  }

  /** A lane that is new with this turn. */
  #first(lane: Lane): Seen {
    for (const known of this.#seen.keys()) if (known.deleted) this.#seen.delete(known);
    const seen = { offset: 0, slab: lane.head };
    this.#seen.set(lane, seen);
    return seen;
  }

  #fill(nowMs: number): void {
    const due = ((nowMs - this.#filledMs) / 1000) * this.#perSecond;
    this.#allowance = Math.min(this.#perSecond, this.#allowance + due);
    this.#filledMs = nowMs;
  }

  #take(lane: Lane, { offset, slab: from }: Seen): void {
    const wanted = lane.tail - offset;
    let taken = 0;
    let slab = this.#allowance >= 1 ? slabWith(lane, from, Math.max(offset, lane.cursor.offset)) : null;
    // What was left to the disk is not read back for a tap.
    for (; slab !== null && slab.block !== null && this.#allowance >= 1; slab = slab.next) {
      taken += this.#copy(slab.block, slab.end, offset);
    }
    this.#skipped += wanted - taken;
    if (taken > 0) this.#wake?.();
  }

  #copy(block: Block, end: number, from: number): number {
    let taken = 0;
    for (let at = 0; at < end && this.#allowance >= 1; at += entryTotal(block, at)) {
      const offset = entryOffset(block, at);
      if (offset < from) continue;
      this.#keep({ event: eventRecord(block, at, offset, this.#sources), bytes: entryTotal(block, at) });
      this.#allowance--;
      taken++;
    }
    return taken;
  }

  #keep(held: Held): void {
    this.#held.push(held);
    this.#bytes += held.bytes;
    while (this.#held.length > TAP_EVENTS_MAX || this.#bytes > TAP_BYTES_MAX) {
      this.#bytes -= this.#held.shift()!.bytes;
      this.#skipped++;
    }
  }

  /** What was taken since the last time; waits for something, but not longer than `waitMs`. */
  async read(waitMs: number): Promise<TapPage> {
    if (this.#held.length === 0) await this.#something(waitMs);
    const page = { events: this.#held.map(({ event }) => event), skipped: this.#skipped };
    this.#held = [];
    this.#bytes = this.#skipped = 0;
    return page;
  }

  #something(waitMs: number): Promise<void> {
    this.#wake?.(); // one reader at a time: the earlier one goes with nothing
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        if (this.#wake === done) this.#wake = null;
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      this.#wake = done;
    });
  }

  close(): void {
    this.#wake?.();
  }
}

/**
 * The slab that holds the entry at `offset`. `from` may have been given back meanwhile; what follows it is a part
 * of the lane all the same, unless the lane had drained.
 */
function slabWith(lane: Lane, from: Slab, offset: number): Slab | null {
  for (const start of [from, lane.head]) {
    let slab: Slab | null = start;
    while (slab !== null && slab.endOffset <= offset) slab = slab.next;
    if (slab !== null) return slab;
  }
  return null;
}

interface OpenTap {
  readonly tap: Tap;
  /** Ends a tap whose reader is gone. */
  unread: NodeJS.Timeout;
  readers: number;
}

export class Taps {
  readonly #endpoints: Endpoints;
  readonly #sources: Sources;
  readonly #clock: Clock;
  readonly #open = new Map<number, OpenTap>();
  #last = 0;

  constructor(endpoints: Endpoints, sources: Sources, clock: Clock) {
    this.#endpoints = endpoints;
    this.#sources = sources;
    this.#clock = clock;
  }

  get isAny(): boolean {
    return this.#open.size > 0;
  }

  /** The caller has made sure that the endpoint is there. @throws SP_TAPS_MAX */
  open(endpoint: string, perSecond: number): number {
    if (this.#open.size >= TAPS_MAX) {
      throw new SandpiperError("SP_TAPS_MAX", `tap of "${endpoint}": ${TAPS_MAX} taps are open already`, {
        hint: `end another one; a tap that nobody reads ends by itself after ${TAP_UNREAD_MS_MAX / 1000} s`,
        details: { endpoint },
      });
    }
    const rate = Math.min(perSecond, TAP_PER_SECOND_MAX);
    const tap = new Tap(endpoint, rate, this.#sources, this.#clock.monotonic());
    tap.begin(this.#lanesOf(tap));
    const id = ++this.#last;
    this.#open.set(id, { tap, unread: this.#expire(id), readers: 0 });
    return id;
  }

  #expire(id: number): NodeJS.Timeout {
    return setTimeout(() => this.close(id), TAP_UNREAD_MS_MAX).unref();
  }

  #lanesOf({ endpoint }: Tap): readonly Lane[] {
    return this.#endpoints.find(endpoint)?.lanes ?? [];
  }

  /** A turn has ended: shows each tap what is new. */
  look(): void {
    const now = this.#clock.monotonic();
    for (const { tap } of this.#open.values()) tap.look(this.#lanesOf(tap), now);
  }

  /** @throws SP_TAP_UNKNOWN */
  async read(id: number, waitMs: number): Promise<TapPage> {
    const open = this.#open.get(id);
    if (open === undefined) {
      throw new SandpiperError("SP_TAP_UNKNOWN", `tap ${id}: not open`, {
        hint: "it was closed, or not read for too long; open another one",
        details: { tap: id },
      });
    }
    clearTimeout(open.unread);
    open.readers++;
    try {
      return await open.tap.read(waitMs);
    } finally {
      open.readers--;
      if (this.#open.has(id) && open.readers === 0) open.unread = this.#expire(id);
    }
  }

  /** Closing what is closed does nothing. */
  close(id: number): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    clearTimeout(open.unread);
    open.tap.close();
  }

  closeAll(): void {
    for (const id of this.#open.keys()) this.close(id);
  }
}
