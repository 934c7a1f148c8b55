/**
 * Locks of deliveries: how long a consumer may have each before it is taken back. There are as many as there are
 * deliveries in hand.
 */
export class Locks {
  readonly #lockMs: number;
  readonly #onOver: (sequence: number) => void;
  readonly #timers = new Map<number, NodeJS.Timeout>();

  constructor(lockMs: number, onOver: (sequence: number) => void) {
    this.#lockMs = lockMs;
    this.#onOver = onOver;
  }

  take(sequence: number): void {
    const over = (): void => {
      this.#timers.delete(sequence);
      this.#onOver(sequence);
    };
    this.#timers.set(sequence, setTimeout(over, this.#lockMs).unref());
  }

  release(sequence: number): void {
    clearTimeout(this.#timers.get(sequence));
    this.#timers.delete(sequence);
  }

  releaseAll(isMeant: (sequence: number) => boolean): void {
    for (const sequence of this.#timers.keys()) if (isMeant(sequence)) this.release(sequence);
  }
}
