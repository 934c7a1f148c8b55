/** Logging of what a stranger can make happen as often as they like. */

/** One line at most in this time, ms. */
const INTERVAL_MS = 60_000;

/** Calls `say` with how many times it stands for, and what was noted last. */
export function sparsely<T>(say: (count: number, last: T) => void): (noted: T) => void {
  let count = 0;
  let saidAtMs = -Infinity;
  return (noted) => {
    count++;
    const nowMs = performance.now();
    if (nowMs - saidAtMs < INTERVAL_MS) return;
    saidAtMs = nowMs;
    say(count, noted);
    count = 0;
  };
}
