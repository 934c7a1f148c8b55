/** Repeatable randomness: the seed is in every failure's message, and is taken back from the environment. */
export interface Random {
  readonly seed: number;
  /** An integer from 0 up to, not including, `bound`. */
  readonly next: (bound: number) => number;
}

export function random(seed = Number(process.env["SEED"] ?? Date.now() % 2147483647)): Random {
  let state = seed >>> 0;
  const next = (bound: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
  return { seed, next };
}
