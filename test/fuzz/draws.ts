/** Draws of one stream: each stream has a sequence of its own, so that it can be made again without those before it. */
import { Draws } from "../support/draws.ts";
import { randomOfPart } from "../support/seed.ts";

export type { Draws };

export const drawsOf = (seed: number, part: number): Draws => new Draws(randomOfPart(seed, part));
