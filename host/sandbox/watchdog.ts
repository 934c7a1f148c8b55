/**
 * Stops guests that do not come back. One coarse timer polls the watch cells of all sandboxes: a call that is
 * still the same one after its deadline in CPU time of its thread, or ten times that in wall time, has
 * expired. CPU time, because a slow disk or a busy machine is not the module's fault; wall time as well,
 * because a guest that sleeps burns none.
 *
 * A call has one record's deadline, however many records it holds: the hub keeps batches short in time.
 */
import { readFileSync } from "node:fs";
import { WALL_BACKSTOP_FACTOR, WATCH } from "../../abi/index.ts";

export const WATCHDOG_POLL_MS = 100;
/** More than this between two polls means that nobody was running: this thread, or the whole machine. */
const POLL_GAP_COUNTED_MS_MAX = 2 * WATCHDOG_POLL_MS;
const NS_PER_MS = 1e6;

export interface Watched {
  readonly cell: SharedArrayBuffer;
  /** CPU time, ms. */
  readonly deadlineMs: number;
  /** Called once, with why; the watchdog has forgotten the cell by then. */
  expired(reason: string): void;
}

export interface WatchdogClock {
  monotonicMs(): number;
  /** CPU time of a thread of this process, ms; null when it cannot be told. */
  threadCpuMs(tid: number): number | null;
}

interface Running {
  readonly words: Int32Array;
  call: number;
  cpuAtStartMs: number | null;
  wallMs: number;
}

export class Watchdog {
  readonly #clock: WatchdogClock;
  readonly #watched = new Map<Watched, Running>();
  #timer: NodeJS.Timeout | null = null;
  #polledMs = 0;

  constructor(clock: WatchdogClock = PROCESS_CLOCK) {
    this.#clock = clock;
  }

  /** Returns what ends it. */
  watch(watched: Watched): () => void {
    const words = new Int32Array(watched.cell);
    this.#watched.set(watched, { words, call: 0, cpuAtStartMs: null, wallMs: 0 });
    if (this.#timer === null) {
      this.#polledMs = this.#clock.monotonicMs();
      this.#timer = setInterval(() => this.poll(), WATCHDOG_POLL_MS).unref();
    }
    return () => this.#forget(watched);
  }

  poll(): void {
    const now = this.#clock.monotonicMs();
    const elapsedMs = Math.min(now - this.#polledMs, POLL_GAP_COUNTED_MS_MAX);
    this.#polledMs = now;
    for (const [watched, running] of this.#watched) {
      const reason = this.#judge(watched, running, elapsedMs);
      if (reason === null) continue;
      this.#forget(watched);
      watched.expired(reason);
    }
  }

  #judge({ deadlineMs }: Watched, running: Running, elapsedMs: number): string | null {
    const call = Atomics.load(running.words, WATCH.CALL);
    const inside = (call & 1) === 1;
    if (!inside || call !== running.call) {
      running.call = call;
      running.wallMs = 0;
      running.cpuAtStartMs = inside ? this.#cpuMs(running) : null;
      return null;
    }
    running.wallMs += elapsedMs;
    const cpuMs = this.#cpuMs(running);
    const records = Atomics.load(running.words, WATCH.RECORDS);
    const what =
      records === 0 ? "initialisation" : `a call with ${records} ${records === 1 ? "record" : "records"}`;
    if (cpuMs !== null && running.cpuAtStartMs !== null && cpuMs - running.cpuAtStartMs > deadlineMs)
      return `${what} took more than ${deadlineMs} ms of CPU time`;
    const wallMaxMs = deadlineMs * WALL_BACKSTOP_FACTOR;
    if (running.wallMs > wallMaxMs) return `${what} took more than ${wallMaxMs} ms`;
    return null;
  }

  #cpuMs(running: Running): number | null {
    const tid = Atomics.load(running.words, WATCH.TID);
    return tid === 0 ? null : this.#clock.threadCpuMs(tid);
  }

  #forget(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}

const PROCESS_CLOCK: WatchdogClock = {
  monotonicMs: () => performance.now(),
  threadCpuMs: (tid) => {
    try {
      return Number(readFileSync(`/proc/self/task/${tid}/schedstat`, "latin1").split(" ", 1)[0]) / NS_PER_MS;
    } catch {
      return null;
    }
  },
};
