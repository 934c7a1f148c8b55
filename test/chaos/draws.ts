/**
 * Draws of a run. Each part of it (the plan, each device, the consumer) has a sequence of its own, so that what one
 * draws does not depend on how fast another is.
 */
import { mulberry32 } from "../support/seed.ts";

/** A whole number below its argument. */
export type Below = (n: number) => number;

/** Spreads seeds that follow on each other (Knuth's multiplicative hash). */
const SPREAD = 0x9e3779b1;

export function drawsOf(seed: number, part: number): Below {
  const random = mulberry32(Math.imul(seed, SPREAD) + part);
  return (n) => Math.floor(random() * n);
}
