/** A clock that moves only when told, and fires timers in their order as it passes them. */
import type { Clock } from "../../host/supervisor/clock.ts";

export interface HandClock extends Clock {
  /** Moves both clocks; lets promises settle before and after each timer. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock alone. */
  jumpWall(ms: number): void;
  readonly armed: number;
}

/** Enough turns of the event loop for messages between ports of one process to arrive. */
export async function settle(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

export function handClock(startWallMs = Date.UTC(2026, 0, 1)): HandClock {
  let now = 0;
  let wall = startWallMs;
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  return {
    wallMs: () => wall,
    monotonicMs: () => now,
    after(delayMs, callback) {
      const timer = { at: now + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const due = [...timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!due) break;
        timers.delete(due);
        wall += due.at - now;
        now = due.at;
        due.callback();
        await settle();
      }
      wall += end - now;
      now = end;
      await settle();
    },
    jumpWall: (ms) => {
      wall += ms;
    },
    get armed() {
      return timers.size;
    },
  };
}
