/**
 * Periodic timers of a module (`@every`), in powered time. A tick that finds the last one still waiting is
 * counted into it, so that a slow module never has a queue of ticks (J31).
 */
import { Block, ENTRY, ENTRY_FLAG, RECORD, TIMER_TICK } from "../../abi/index.ts";
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
        if (link.controlWaiting >= this.#timers.length) return void missed++;
        link.control(tickRecord(port, missed, now()));
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
  const block = Block.allocate(ENTRY.SIZE + TIMER_TICK.SIZE);
  block.u32[ENTRY.TOTAL >> 2] = ENTRY.SIZE + TIMER_TICK.SIZE;
  block.u16[ENTRY.KIND >> 1] = RECORD.TIMER;
  block.u16[ENTRY.FLAGS >> 1] = ENTRY_FLAG.CONTROL;
  block.u16[ENTRY.HEADER >> 1] = ENTRY.SIZE;
  block.u16[ENTRY.PORT >> 1] = port;
  block.f64[ENTRY.DEADLINE >> 3] = Infinity;
  block.u32[(ENTRY.SIZE + TIMER_TICK.MISSED) >> 2] = missed;
  block.f64[(ENTRY.SIZE + TIMER_TICK.DUE) >> 3] = due;
  return block.buffer;
}
