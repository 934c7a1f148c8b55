/** Random tests print their seed, and take it back as SEED=. */
export function seeded(name: string): {
  readonly seed: number;
  readonly random: () => number;
  readonly below: (n: number) => number;
} {
  const seed =
    process.env["SEED"] === undefined ? (Math.random() * 2 ** 31) | 0 : Number(process.env["SEED"]);
  console.info(`${name}: SEED=${seed}`);
  const random = mulberry32(seed);
  return { seed, random, below: (n) => Math.floor(random() * n) };
}

/** A small generator that is the same everywhere (mulberry32). */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Spreads seeds that follow on each other (Knuth's multiplicative hash). */
const SPREAD = 0x9e3779b1;

/** A generator for each part of a run: what one draws does not depend on how far another has come. */
export const randomOfPart = (seed: number, part: number): (() => number) =>
  mulberry32(Math.imul(seed, SPREAD) + part);
