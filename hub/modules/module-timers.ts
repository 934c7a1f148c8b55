/**
 * Periodic timers of a module (`@every`), in powered time. A tick that finds the last one still waiting is
 * counted into it, so that a slow module never has a queue of ticks (J31).
 */
import { controlEntry, ENTRY, RECORD, TIMER_TICK } from "../../abi/index.ts";
import type { ModuleLink } from "../endpoints/module-link.ts";

export class ModuleTimers {
  readonly #timers: readonly { readonly periodMs: number }[];
  #running: NodeJS.Timeout[] = [];

  constructor(timers: readonly { readonly periodMs: number }[]) {
    this.#timers = timers;
  }

  start(link: ModuleLink, now: () => number): void {
    this.stop();
    this.#running = this.#timers.map(({ periodMs }, port) => {
      let missed = 0;
      return setInterval(() => {
        // One tick per timer at most waits in the link: its bound is the number of timers.
        if (link.ticksWaiting >= this.#timers.length) return void missed++;
        link.control({ entry: tickRecord(port, missed, now()) });
        missed = 0;
      }, periodMs);
    });
  }

  stop(): void {
    for (const timer of this.#running) clearInterval(timer);
    this.#running = [];
  }
}

/** A TIMER record; `due` in powered time. */
function tickRecord(port: number, missed: number, due: number): ArrayBuffer {
  const block = controlEntry(RECORD.TIMER, TIMER_TICK.SIZE, port);
  block.u32[(ENTRY.SIZE + TIMER_TICK.MISSED) >> 2] = missed;
  block.f64[(ENTRY.SIZE + TIMER_TICK.DUE) >> 3] = due;
  return block.buffer;
}
