/** Draws of one stream: each stream has a sequence of its own, so that it can be made again without those before it. */
import { mulberry32 } from "../support/seed.ts";

/** Spreads seeds that follow on each other (Knuth's multiplicative hash). */
const SPREAD = 0x9e3779b1;

export class Draws {
  readonly #random: () => number;

  constructor(seed: number, part: number) {
    this.#random = mulberry32(Math.imul(seed, SPREAD) + part);
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.floor(this.#random() * n);
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
