/** Values of the last minute, taken by a timer: what rates are computed from without any work per message. */

/** How often a sample is taken, ms. */
export const SAMPLE_EVERY_MS = 5_000;
/** One more than spans a minute. */
const SAMPLES_MAX = 13;
/** A shorter span says nothing about a rate, ms. */
const SPAN_MS_MIN = 1_000;

interface Sample<T> {
  readonly atMs: number;
  readonly value: T;
}

export class Samples<T> {
  readonly #samples: Sample<T>[] = [];

  take(atMs: number, value: T): void {
    this.#samples.push({ atMs, value });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** The oldest sample, and how long ago it was taken, seconds. */
  since(nowMs: number): { readonly value: T; readonly seconds: number } | null {
    const [oldest] = this.#samples;
    if (oldest === undefined) return null;
    return { value: oldest.value, seconds: Math.max(SPAN_MS_MIN, nowMs - oldest.atMs) / 1000 };
  }
}
