/** A seeded random source. Print `seed` in a test's name; run again with SEED=<seed>. */
export const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000_007);

export class Random {
  #state: number;

  constructor(from: number) {
    this.#state = from >>> 0 || 1;
  }

  /** An integer in [0, below). */
  below(below: number): number {
    // xorshift32
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % below;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes;
  }
}
