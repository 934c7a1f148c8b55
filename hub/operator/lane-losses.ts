/** What each lane lost since the hub started, other than to its consumer. */
import type { Lane } from "../journal/lane.ts";

export interface Losses {
  /** Messages whose time to live ended. */
  readonly expired: number;
  /** Messages given up to make room. */
  readonly dropped: number;
}

const NONE: Losses = { expired: 0, dropped: 0 };

export class LaneLosses {
  /** A lane that is deleted takes its count along. */
  readonly #losses = new WeakMap<Lane, Losses>();

  of(lane: Lane): Losses {
    return this.#losses.get(lane) ?? NONE;
  }

  add(lane: Lane, what: keyof Losses, count: number): void {
    const losses = this.of(lane);
    this.#losses.set(lane, { ...losses, [what]: losses[what] + count });
  }
}
