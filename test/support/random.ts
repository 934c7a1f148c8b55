/** Random numbers that can be had again: a failing test prints its seed, and `SEED=` accepts it back. */
import { mulberry32 } from "./seed.ts";

export const seedOf = (): number => Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;

export const randomFrom = (seed: number): { readonly seed: number; readonly random: () => number } => ({
  seed,
  random: mulberry32(seed),
});
