/**
 * Brings what the log holds into the database, in slices, while commits go on into the rest of the log (J34).
 * For want of room the same slice is tried again until there is some (J16); any other failure is the end (J17).
 */
import type { LmdbStore, LogMark } from "../lmdb-store.ts";
import type { Pending } from "./pending.ts";
import { Slices, type ReadBack, type Slice } from "./slices.ts";

const FULL_RETRY_MS_MIN = 100;
const FULL_RETRY_MS_MAX = 5_000;

export interface CheckpointHost {
  readonly lmdb: LmdbStore;
  readonly pending: Pending;
  readonly readBack: ReadBack;
  /** What is durable in the log now. */
  readonly mark: () => LogMark;
  /** The database holds everything before the mark. */
  readonly onDone: (mark: LogMark) => void;
  /** `isStuck` has changed. */
  readonly onStuckChanged: () => void;
  readonly onFailure: (error: Error) => void;
}

export class Checkpointer {
  readonly #host: CheckpointHost;
  #running: Promise<void> | null = null;
  /** Whether want of room is waited out. */
  #isPatient = true;
  #wake: (() => void) | null = null;
  isStuck = false;
  done = 0;

  constructor(host: CheckpointHost) {
    this.#host = host;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** Starts a checkpoint, or joins what is under way. Rejects when it failed for good. */
  run(): Promise<void> {
    return this.#exclusively(() => this.#checkpoint());
  }

  /** Runs `work` while no checkpoint does; commits go on into the log (compaction). */
  async without<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running !== null) await this.#running;
    let result!: T;
    await this.#exclusively(async () => {
      result = await work();
    });
    return result;
  }

  #exclusively(work: () => Promise<void>): Promise<void> {
    this.#running ??= work().finally(() => (this.#running = null));
    return this.#running;
  }

  async #checkpoint(): Promise<void> {
    const { lmdb, pending, readBack } = this.#host;
    const mark = this.#host.mark();
    try {
      const slices = new Slices(pending, lmdb, readBack).before(mark.head);
      for (let next = slices.next(); ; next = slices.next()) {
        const isLast = next.done === true;
        if (!(await this.#store(next.value, isLast ? mark : null))) return;
        if (isLast) break;
      }
    } catch (error) {
      this.#host.onFailure(error as Error);
      throw error;
    }
    this.done++;
    this.#host.onDone(mark);
  }

  /** `false`: there is no room, and nobody waits for some. The log has it all. */
  async #store(slice: Slice, mark: LogMark | null): Promise<boolean> {
    for (let retryMs = FULL_RETRY_MS_MIN; ; retryMs = Math.min(FULL_RETRY_MS_MAX, 2 * retryMs)) {
      try {
        await this.#host.lmdb.commit(slice.group, mark);
        break;
      } catch (error) {
        if (!this.#host.lmdb.isFull()) throw error;
      }
      this.#setStuck(true);
      if (this.#isPatient) await this.#pause(retryMs);
      if (!this.#isPatient) return false;
    }
    for (const { lane, cursor, end } of slice.stored) this.#host.pending.stored(lane, cursor, end);
    this.#setStuck(false);
    return true;
  }

  #setStuck(isStuck: boolean): void {
    if (this.isStuck === isStuck) return;
    this.isStuck = isStuck;
    this.#host.onStuckChanged();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** A checkpoint that gives up, before the store is closed, when there is no room. What it leaves is in the log. */
  async last(): Promise<void> {
    this.#isPatient = false;
    this.#wake?.();
    while (this.#running !== null) await this.#running;
    await this.run();
  }
}
