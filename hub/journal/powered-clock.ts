/**
 * Powered time (J31): milliseconds that this store has been running, over all its boots. It survives wall
 * clocks that jump and boxes that boot in 1970, so time-to-live is counted in it. It is written with each
 * group, and stands still while the box is off; in mode `wall` the time that the box was off is added, once,
 * as soon as the wall clock can be believed. What the wall clock does while the box runs changes nothing.
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

/** Whether time that the box was off counts. */
export type ClockMode = "powered" | "wall";

/** Both clocks at one instant of an earlier boot, as they were committed; `wallMs` 0 = not known. */
export interface ClockReading {
  readonly poweredMs: number;
  readonly wallMs: number;
}

/** No box that runs this was ever on before: a clock that says so was not set. */
export const WALL_MS_MIN = Date.UTC(2026, 0, 1);
/** A wall clock this far after the one last seen has jumped: a box is not off for longer. */
const OFF_MS_MAX = 366 * 24 * 3_600_000;
/** After running this long with a wall clock that does not follow from the one last seen, it is believed. */
const DISTRUST_MS_MAX = 24 * 3_600_000;

export class PoweredClock {
  readonly #clock: Clock;
  readonly #mode: ClockMode;
  readonly #last: ClockReading;
  readonly #startedAt: number;
  #base: number;
  /** Wall time of the start as far as it is known; 0 = not at all. */
  #wallAtStart: number;
  #isBelieved = false;

  constructor(clock: Clock, last: ClockReading, mode: ClockMode = "powered") {
    this.#clock = clock;
    this.#mode = mode;
    this.#last = last;
    this.#startedAt = clock.monotonic();
    this.#base = last.poweredMs - this.#startedAt;
    this.#wallAtStart = last.wallMs;
    this.review();
  }

  now(): number {
    return this.#base + this.#clock.monotonic();
  }

  /**
   * Whether the wall clock may decide over the life of a message: it has been set, and follows from what the
   * store last saw. One that is set while the box runs is believed from then on, however often it is mended.
   */
  isCredible(): boolean {
    return this.#isBelieved && this.#clock.wall() >= WALL_MS_MIN;
  }

  /** Looks whether the wall clock can be believed by now, and if so counts the time the box was off. */
  review(): void {
    if (this.#isBelieved) return;
    const wall = this.#clock.wall();
    if (wall < WALL_MS_MIN) return;
    const ranMs = this.#clock.monotonic() - this.#startedAt;
    const offMs = this.#last.wallMs === 0 ? 0 : wall - ranMs - this.#last.wallMs;
    const follows = wall >= this.#last.wallMs && offMs <= OFF_MS_MAX;
    if (!follows && ranMs < DISTRUST_MS_MAX) return;
    this.#isBelieved = true;
    this.#wallAtStart = wall - ranMs;
    if (follows && this.#mode === "wall") this.#base += Math.max(0, offMs);
  }

  /**
   * What goes to disk. Wall time goes on from where it was believed, by the time the box ran, and not by what
   * the wall clock does meanwhile; until it is believed, from the one last seen, so that what the box was off
   * since then is still to be counted.
   */
  reading(): ClockReading {
    this.review();
    const ranMs = this.#clock.monotonic() - this.#startedAt;
    return { poweredMs: this.now(), wallMs: this.#wallAtStart === 0 ? 0 : this.#wallAtStart + ranMs };
  }
}
