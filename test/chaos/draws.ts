/**
 * Draws of a run. Each part of it (the plan, each device, the consumer) has a sequence of its own, so that what one
 * draws does not depend on how fast another is.
 */
import { randomOfPart } from "../support/seed.ts";

/** A whole number below its argument. */
export type Below = (n: number) => number;

export function drawsOf(seed: number, part: number): Below {
  const random = randomOfPart(seed, part);
  return (n) => Math.floor(random() * n);
}
