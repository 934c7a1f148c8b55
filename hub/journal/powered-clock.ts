/**
 * Powered time (J31): milliseconds that this store has been running, over all its boots. It survives wall
 * clocks that jump and boxes that boot in 1970, so time-to-live is counted in it. It is written with each
 * group, and stands still while the box is off.
 */
export interface Clock {
  /** Wall clock, ms since 1970. */
  wall(): number;
  /** Never goes back, ms. */
  monotonic(): number;
}

export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
};

export class PoweredClock {
  readonly #clock: Clock;
  readonly #base: number;

  constructor(clock: Clock, recoveredMs: number) {
    this.#clock = clock;
    this.#base = recoveredMs - clock.monotonic();
  }

  now(): number {
    return this.#base + this.#clock.monotonic();
  }
}
