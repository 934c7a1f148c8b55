/** Whether a consumer with something in hand is alive: one that settles nothing is found out, a slow one never (J25). */

/** How often it is looked at, and how often in vain before it is found out: 30 s. */
const REVIEW_MS = 10_000;
const QUIET_REVIEWS_MAX = 3;

export class ProgressWatch {
  readonly #consumer: { readonly outstanding: number };
  readonly #sink: { onUnsettled(): void };
  /** Goes up with whatever shows that the consumer is alive. */
  #progress = 0;
  #progressSeen = 0;
  #quietReviews = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(consumer: { readonly outstanding: number }, sink: { onUnsettled(): void }) {
    this.#consumer = consumer;
    this.#sink = sink;
  }

  progress(): void {
    this.#progress++;
  }

  /** It has something in hand from now on. */
  begin(): void {
    this.#progress++;
    this.#timer ??= setTimeout(() => this.#review(), REVIEW_MS).unref();
  }

  #review(): void {
    this.#timer = null;
    if (this.#consumer.outstanding === 0) return;
    this.#quietReviews = this.#progress === this.#progressSeen ? this.#quietReviews + 1 : 0;
    this.#progressSeen = this.#progress;
    if (this.#quietReviews >= QUIET_REVIEWS_MAX) return this.#sink.onUnsettled();
    this.#timer = setTimeout(() => this.#review(), REVIEW_MS).unref();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
