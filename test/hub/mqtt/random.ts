/** A seeded random source. Print `seed` in a test's name; run again with SEED=<seed>. */
import { Draws } from "../../support/draws.ts";
import { mulberry32 } from "../../support/seed.ts";

export const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000_007);

export class Random extends Draws {
  constructor(from: number) {
    super(mulberry32(from));
  }
}
