/**
 * Time as an argument. Durations are of the monotonic clock, because the wall clock of a gateway jumps: it
 * boots in 1970 and is set when the network comes. The wall clock is for display.
 */
export interface Clock {
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Milliseconds since some moment; never goes back. */
  monotonicMs(): number;
  /** Calls back once, later; the function that is returned cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

/** What `setTimeout` can hold; longer delays end early, which every user of a long delay here survives. */
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, TIMER_DELAY_MS_MAX));
    return () => clearTimeout(timer);
  },
};

/** Resolves to `"late"` when `work` takes longer than `delayMs`; whoever races it still owns `work`. */
export async function within<T>(clock: Clock, delayMs: number, work: Promise<T>): Promise<T | "late"> {
  let cancel = (): void => {};
  const late = new Promise<"late">((resolve) => {
    cancel = clock.after(delayMs, () => resolve("late"));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}
