/**
 * The journal: steps become visible at once (the View), are gathered into a group, and the group is committed
 * as one flushed transaction. What the outside may see is released only then (J1).
 *
 * A step is whatever one synchronous call does; a group is sealed only between turns, so a step is never
 * split (J9). One group is in flight; the next gathers meanwhile (J5). A failed commit for want of room
 * retries the very same group; any other failure ends the hub thread, and recovery is from disk (J16, J17).
 *
 * One file, because gathering, sealing, committing and releasing move the same positions of the same lanes: an
 * argument about one of them is about all.
 */
import { SandpiperError, type Block } from "../../abi/index.ts";
import { Lane, type LoadSlab } from "./lane.ts";
import { LingerTimer } from "./linger-timer.ts";
import { PoweredClock, type Clock, type ClockMode } from "./powered-clock.ts";
import { Room } from "./room.ts";
import { isChain, type Position } from "./slab.ts";
import {
  storeCorrupt,
  type Append,
  type Compaction,
  type CursorMove,
  type Group,
  type LaneKey,
  type Recovered,
  type Store,
  type StoreWritten,
} from "./store.ts";
import { laneRow, TABLE, Tables } from "./tables.ts";

/** With more than this not yet durable, publishers and modules get no turn (J5). */
export const GATHERED_BYTES_MAX = 4 * 1024 * 1024;
/** Progress of a cursor alone is written at most this late: losing it only redelivers. */
const LAZY_CURSOR_MS = 5_000;
/** Powered time is written at least this often. */
const IDLE_WRITE_MS = 10 * 60_000;
const FULL_RETRY_MS_MIN = 100;
const FULL_RETRY_MS_MAX = 5_000;
/** How often a disk that was full is looked at again. */
const ROOM_REVIEW_MS = 1_000;

/** What, besides steps, deserves a group of its own: progress of cursors, or the powered clock. */
type Also = "nothing" | "cursors" | "clock";

export type JournalState = "ok" | "full" | "failed";

export interface JournalOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Whether time that the box was off counts as powered time; not by default. */
  readonly timeToLiveClock?: ClockMode;
  readonly lingerMs: number;
  readonly graceMs: number;
  /** Called after each durable group, before anything else is sealed: release what waited. */
  readonly onDurable: () => void;
  /** A linger is about to end: whoever can settle entries before the seal should get them now (J4, J14). */
  readonly onLingerEnding: () => void;
  /** A failure that only recovery from disk can mend (J17). Called once. */
  readonly onFailure: (error: Error) => void;
}

export interface JournalCounters {
  groups: number;
  entriesWritten: number;
  bytesWritten: number;
  /** Appended and settled before they were sealed: never written (J4). */
  entriesElided: number;
  flushMs: number;
}

interface LaneProgress {
  readonly lane: Lane;
  readonly to: Position;
  readonly cursor: number;
}

interface InFlight {
  readonly group: Group;
  readonly lanes: readonly LaneProgress[];
  readonly bytes: number;
  readonly step: number;
}

export class Journal {
  readonly tables = new Tables();
  readonly powered: PoweredClock;
  readonly counters: JournalCounters = {
    groups: 0,
    entriesWritten: 0,
    bytesWritten: 0,
    entriesElided: 0,
    flushMs: 0,
  };
  state: JournalState;

  readonly #options: JournalOptions;
  readonly #lanes = new Map<string, Lane>();
  #dirtyLanes: Lane[] = [];
  #deletedLanes: LaneKey[] = [];
  #inFlight: InFlight | null = null;
  readonly #linger: LingerTimer;
  #graceTimer: NodeJS.Timeout | null = null;
  #graceTimerAt = 0;
  readonly #idleTimer: NodeJS.Timeout;
  #lazyTimer: NodeJS.Timeout | null = null;
  readonly #room: Room;
  #roomTimer: NodeJS.Timeout | null = null;
  #lastSeal = 0;
  #step = 1;
  #durableStep = 0;
  /** Steps as a lane has entries: those below `durable` are. */
  readonly steps = { durable: 1 };
  #waiters: { readonly step: number; readonly resolve: () => void }[] = [];

  /** Opens the View from what the store holds. @throws SP_STORE_CORRUPT */
  constructor(options: JournalOptions) {
    this.#options = options;
    this.#linger = new LingerTimer(options.lingerMs, {
      onEnding: options.onLingerEnding,
      onEnd: () => this.#endLinger(),
    });
    const recovered = options.store.load();
    this.powered = new PoweredClock(options.clock, recovered, options.timeToLiveClock);
    this.tables.load(recovered.rows);
    this.#recoverLanes(recovered);
    this.#room = new Room(options.store);
    this.state = "ok";
    if (this.#room.isShort) this.#becomeFull();
    options.store.observe({
      onRoomChanged: () => this.#roomChanged(),
      onFailure: (error) => this.#fail(error),
    });
    this.#idleTimer = setInterval(() => this.#seal("clock"), IDLE_WRITE_MS).unref();
  }

  #recoverLanes(recovered: Recovered): void {
    for (const { queue, priority, cursor, records } of recovered.lanes) {
      try {
        const lane = Lane.recovered({ queue, priority }, cursor, records, this.#loadSlab);
        this.#lanes.set(laneName(lane), lane);
      } catch (cause) {
        if (cause instanceof SandpiperError) throw cause;
        throw storeCorrupt((cause as Error).message, { queue, priority }, cause);
      }
    }
  }

  /** Reads a slab's records back from the store into `into`. @throws SP_STORE_CORRUPT */
  readonly #loadSlab: LoadSlab = (lane: LaneKey, first: number, endOffset: number, into: Block): void => {
    try {
      this.#readSlab(lane, first, endOffset, into);
    } catch (error) {
      this.#options.onFailure(error as Error); // whoever asked is told; what is damaged is so for everybody (J17)
      throw error;
    }
  };

  #readSlab(lane: LaneKey, first: number, endOffset: number, into: Block): void {
    let end = 0;
    for (const record of this.#options.store.records(lane, first, endOffset)) {
      into.u8.set(this.#options.store.read(lane, record), end);
      end += record.bytes;
    }
    if (!isChain(into, end, first, endOffset)) {
      const { queue, priority } = lane;
      const what = `lane ${queue}/${priority}: entries ${first} to ${endOffset} are damaged`;
      throw storeCorrupt(what, { queue, priority, first, endOffset });
    }
  }

  lane(key: LaneKey): Lane {
    const name = laneName(key);
    let lane = this.#lanes.get(name);
    if (lane === undefined) this.#lanes.set(name, (lane = new Lane(key, 0, this.#loadSlab)));
    return lane;
  }

  /** Lanes of a queue, most urgent first. */
  lanesOf(queue: number): Lane[] {
    const lanes = [...this.#lanes.values()].filter((lane) => lane.queue === queue);
    return lanes.sort((a, b) => a.priority - b.priority);
  }

  lanes(): IterableIterator<Lane> {
    return this.#lanes.values();
  }

  /** Deletes a lane with all it holds, as part of the current step (J28). */
  deleteLane(lane: Lane): void {
    lane.deleted = true;
    lane.durable = Number.MAX_SAFE_INTEGER; // whoever waits for an acknowledgement gets it: the message is gone by command
    this.#lanes.delete(laneName(lane));
    this.tables.delete(TABLE.DELIVERIES, laneRow(lane));
    this.#deletedLanes.push({ queue: lane.queue, priority: lane.priority });
    this.#step++;
  }

  /** The lane has new entries or a new cursor. */
  touch(lane: Lane): void {
    if (!lane.dirty) {
      lane.dirty = true;
      this.#dirtyLanes.push(lane);
    }
  }

  /** A step without grace was taken: tables changed, a result was accepted. Returns its id. */
  step(): number {
    this.#linger.stepped(this.#options.clock.monotonic());
    return ++this.#step;
  }

  /** The step taken last. */
  get lastStep(): number {
    return this.#step;
  }

  /** Resolves when everything stepped so far is durable. */
  durable(): Promise<void> {
    const step = this.#step;
    if (step <= this.#durableStep || !this.#isDirty()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push({ step, resolve });
      this.kick();
    });
  }

  #isDirty(): boolean {
    return (
      this.#inFlight !== null ||
      this.#dirtyLanes.length > 0 ||
      this.tables.isDirty ||
      this.#deletedLanes.length > 0
    );
  }

  /** Bytes that are not yet durable. */
  get gatheredBytes(): number {
    return this.#gathered().bytes + (this.#inFlight?.bytes ?? 0);
  }

  get isCongested(): boolean {
    return (
      this.state === "failed" || this.#options.store.isCrowded || this.gatheredBytes > GATHERED_BYTES_MAX
    );
  }

  /** What the store gave to the disk. */
  get written(): StoreWritten {
    return this.#options.store.written;
  }

  /** Gives the room of what was consumed back to the disk. */
  compact(): Promise<Compaction> {
    return this.#options.store.compact();
  }

  /** Whether the disk has room for what producers bring (J18). */
  get admits(): boolean {
    return this.#room.admits;
  }

  /** A turn has ended in which steps were taken: seal now, after the linger, or when the disk is free. */
  kick(): void {
    if (this.#inFlight !== null || this.state === "failed") return;
    if (!this.#isDirty()) return this.#resolveWaiters();
    const sinceLastSealMs = this.#options.clock.monotonic() - this.#lastSeal;
    if (this.#waiters.length === 0 && this.#linger.holds(this.#gathered(), sinceLastSealMs)) return;
    this.#linger.cancel();
    this.#seal(this.#waiters.length > 0 ? "cursors" : "nothing");
  }

  /** A linger runs, and its end is not near yet. */
  get isLingering(): boolean {
    return this.#linger.isWaiting;
  }

  #endLinger(): void {
    this.#linger.ended(this.#options.clock.monotonic());
    this.#seal("nothing", true);
  }

  #gathered(): { entries: number; bytes: number } {
    let entries = 0;
    let bytes = 0;
    for (const lane of this.#dirtyLanes) {
      entries += lane.tail - lane.persisted.offset;
      bytes += lane.unwrittenBytes;
    }
    return { entries, bytes };
  }

  /** Publishers took steps at `now`: what the grace and the linger measure from. */
  stepped(now: number): void {
    this.#linger.stepped(now);
    for (const lane of this.#dirtyLanes) lane.mark(now);
  }

  /** `hasLingered`: who waited for company waits no longer than the least grace for a module on top. */
  #seal(also: Also, hasLingered = false): void {
    if (this.#inFlight !== null || this.state === "failed") return;
    const now = this.#options.clock.monotonic();
    const inFlight = this.#gather(now, also, hasLingered);
    if (inFlight === null) return;
    this.#inFlight = inFlight;
    this.#lastSeal = now;
    this.#linger.sealed();
    this.counters.groups++;
    void this.#commit(inFlight, FULL_RETRY_MS_MIN);
  }

  /** Net effects since the last seal (J4), or `null` when there is nothing that deserves a flush of its own. */
  #gather(now: number, also: Also, hasLingered: boolean): InFlight | null {
    const { graceMs: leastMs } = this.#options;
    const lanes: LaneProgress[] = [];
    const appends: Append[] = [];
    const cursors: CursorMove[] = [];
    let released = false;
    let graceEndsAt = Infinity;
    this.#dirtyLanes = this.#dirtyLanes.filter((lane) => !lane.deleted);
    for (const lane of this.#dirtyLanes) {
      const graceMs = hasLingered ? leastMs : lane.graceMs(leastMs);
      const to = lane.sealPosition(now, graceMs);
      const from = lane.cursor.offset > lane.persisted.offset ? lane.cursor : lane.persisted;
      const elided = lane.cursor.offset - lane.persisted.offset;
      if (elided > 0) this.counters.entriesElided += Math.min(elided, to.offset - lane.persisted.offset);
      appends.push(...lane.slices(from, to));
      if (lane.cursor.offset > lane.durableCursor) {
        cursors.push({ queue: lane.queue, priority: lane.priority, offset: lane.cursor.offset });
      }
      if (to.offset > lane.durable) released = true;
      graceEndsAt = Math.min(graceEndsAt, lane.graceEndsAt(graceMs));
      lanes.push({ lane, to, cursor: lane.cursor.offset });
    }
    this.#armGrace(graceEndsAt, now);
    const isWorthIt = appends.length > 0 || this.tables.isDirty || this.#deletedLanes.length > 0;
    if (!isWorthIt && also !== "clock" && (also === "nothing" || cursors.length === 0)) {
      // What was consumed without effects before it was written leaves nothing to make durable (J4).
      this.#complete(lanes);
      if (released) this.#options.onDurable();
      if (cursors.length > 0) this.#armLazy();
      this.#resolveWaiters();
      return null;
    }
    return this.#sealed(lanes, appends, cursors);
  }

  #sealed(lanes: readonly LaneProgress[], appends: Append[], cursors: CursorMove[]): InFlight {
    for (const { lane, to } of lanes) lane.persisted.set(to);
    this.#dirtyLanes = this.#dirtyLanes.filter((lane) => (lane.dirty = lane.tail > lane.persisted.offset));
    const rows = this.tables.takeChanges();
    const group: Group = {
      appends,
      cursors,
      rows,
      deletedLanes: this.#deletedLanes,
      ...this.powered.reading(),
    };
    this.#deletedLanes = [];
    let bytes = 0;
    for (const append of appends) {
      this.counters.entriesWritten += append.count;
      bytes += append.bytes;
    }
    this.counters.bytesWritten += bytes;
    return { group, lanes, bytes, step: this.#step };
  }

  async #commit(inFlight: InFlight, retryMs: number): Promise<void> {
    const begun = this.#options.clock.monotonic();
    try {
      await this.#options.store.commit(inFlight.group);
    } catch (error) {
      return this.#commitFailed(inFlight, error, retryMs);
    }
    this.counters.flushMs += this.#options.clock.monotonic() - begun;
    this.#inFlight = null;
    if (this.state === "full") this.#reviewRoom();
    if (this.#lazyTimer !== null && inFlight.group.cursors.length > 0) {
      clearTimeout(this.#lazyTimer);
      this.#lazyTimer = null;
    }
    this.#complete(inFlight.lanes, inFlight.group.cursors);
    this.#durableStep = inFlight.step;
    this.steps.durable = inFlight.step + 1;
    this.#options.onDurable();
    this.#resolveWaiters();
    this.kick();
  }

  #commitFailed(inFlight: InFlight, error: unknown, retryMs: number): void {
    if (!this.#options.store.isFull(error))
      return this.#fail(error instanceof Error ? error : new Error(String(error)));
    this.#room.ranOut();
    this.#becomeFull();
    setTimeout(() => void this.#commit(inFlight, Math.min(FULL_RETRY_MS_MAX, retryMs * 2)), retryMs);
  }

  #fail(error: Error): void {
    if (this.state === "failed") return;
    this.state = "failed";
    this.#stopReviewing();
    this.#options.onFailure(error);
  }

  /** The store ran out of room behind its commits, or has caught up again. */
  #roomChanged(): void {
    if (this.state === "failed") return;
    if (this.#options.store.isStuck) {
      this.#room.ranOut();
      this.#becomeFull();
    } else {
      if (this.state === "full") this.#reviewRoom();
      this.#options.onDurable(); // whoever waited for room
    }
  }

  #becomeFull(): void {
    this.state = "full";
    this.#roomTimer ??= setInterval(() => {
      this.#reviewRoom();
      if (this.state === "ok") this.#options.onDurable();
      else this.#seal("clock"); // what is settled makes room once it is committed
    }, ROOM_REVIEW_MS).unref();
  }

  #reviewRoom(): void {
    this.#room.review();
    if (this.#room.isShort) return;
    this.state = "ok";
    this.#stopReviewing();
  }

  #stopReviewing(): void {
    if (this.#roomTimer !== null) clearInterval(this.#roomTimer);
    this.#roomTimer = null;
  }

  #complete(lanes: readonly LaneProgress[], cursors?: readonly CursorMove[]): void {
    for (const { lane, to, cursor } of lanes) {
      if (to.offset > lane.durable) lane.durable = to.offset;
      if (cursors !== undefined) lane.durableCursor = Math.max(lane.durableCursor, cursor);
      if (to.offset > lane.persisted.offset) lane.persisted.set(to);
      lane.recycle();
    }
    if (cursors === undefined) {
      this.#dirtyLanes = this.#dirtyLanes.filter(
        (lane) => (lane.dirty = lane.tail > lane.persisted.offset || lane.cursor.offset > lane.durableCursor),
      );
    }
  }

  #resolveWaiters(): void {
    const all = !this.#isDirty();
    const due = this.#waiters.filter((w) => all || w.step <= this.#durableStep);
    if (due.length === 0) return;
    this.#waiters = this.#waiters.filter((w) => !due.includes(w));
    for (const { resolve } of due) resolve();
  }

  /** A timer that fires for nothing wakes the process: it is disarmed as soon as nobody waits. */
  #armGrace(endsAt: number, now: number): void {
    if (this.#graceTimer !== null && endsAt >= this.#graceTimerAt && endsAt < Infinity) return;
    if (this.#graceTimer !== null) clearTimeout(this.#graceTimer);
    this.#graceTimer = null;
    if (endsAt === Infinity) return;
    this.#graceTimerAt = endsAt;
    this.#graceTimer = setTimeout(
      () => {
        this.#graceTimer = null;
        this.kick();
      },
      Math.ceil(endsAt - now),
    );
  }

  #armLazy(): void {
    this.#lazyTimer ??= setTimeout(() => {
      this.#lazyTimer = null;
      this.#seal("cursors");
    }, LAZY_CURSOR_MS).unref();
  }

  /** Commits everything, then closes the store. Nothing may step any more. */
  async close(): Promise<void> {
    clearInterval(this.#idleTimer);
    this.#linger.cancel();
    while (this.state !== "failed") {
      for (const lane of this.#lanes.values()) {
        lane.deferrable = false;
        if (lane.cursor.offset > lane.durableCursor) this.touch(lane);
      }
      this.tables.hurry();
      this.#seal("cursors");
      if (this.#inFlight === null) break;
      await new Promise<void>((resolve) => this.#waiters.push({ step: this.#step, resolve }));
    }
    this.#stopReviewing();
    for (const timer of [this.#graceTimer, this.#lazyTimer]) if (timer !== null) clearTimeout(timer);
    await this.#options.store.close();
  }
}

const laneName = (key: LaneKey): string => `${key.queue}/${key.priority}`;
