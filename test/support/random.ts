/** Random numbers that can be had again: a failing test prints its seed, and `SEED=` accepts it back. */

export const seedOf = (): number => Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;

/** Mulberry32: small, fast, good enough to shuffle events. */
export function randomFrom(seed: number): { readonly seed: number; readonly random: () => number } {
  let state = seed;
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, random };
}
