/**
 * The worker's side of the watchdog cell: written around each run of guest code, so that the supervisor sees
 * an endless loop without a message. Odd = inside the guest.
 */
import { readlinkSync } from "node:fs";
import { WATCH } from "../../abi/index.ts";

export class WatchCell {
  readonly #words: Int32Array;

  constructor(cell: SharedArrayBuffer) {
    this.#words = new Int32Array(cell);
  }

  /** Names this thread, so that its CPU time can be read from outside; 0 where there is no procfs. */
  identify(): void {
    Atomics.store(this.#words, WATCH.TID, currentThreadId());
  }

  enter(records: number): void {
    Atomics.store(this.#words, WATCH.RECORDS, records);
    Atomics.add(this.#words, WATCH.CALL, 1);
  }

  leave(): void {
    Atomics.add(this.#words, WATCH.CALL, 1);
  }
}

function currentThreadId(): number {
  try {
    return Number(/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
