/**
 * The linger, running: holds a seal back while company may still come, says when its end is near, and learns
 * from what came (`sealing.ts` decides).
 */
import { initialLinger, nextLinger, sealDelay, type Linger } from "./sealing.ts";

/** A module gets this long to answer before the linger ends. */
const ENDING_MS = 1;

export interface LingerEvents {
  /** The end is near: whoever can settle entries before the seal should get them now (J4, J14). */
  readonly onEnding: () => void;
  readonly onEnd: () => void;
}

export class LingerTimer {
  readonly #msMax: number;
  readonly #events: LingerEvents;
  #linger: Linger;
  #timer: NodeJS.Timeout | null = null;
  #isEnding = false;
  #lastStepAt = 0;

  constructor(msMax: number, events: LingerEvents) {
    this.#msMax = msMax;
    this.#events = events;
    this.#linger = initialLinger(msMax);
  }

  /** What gathers meanwhile can be handed over in one go when the end is near, instead of one by one. */
  get isWaiting(): boolean {
    return this.#timer !== null && !this.#isEnding;
  }

  /** Something was stepped, at `now`. */
  stepped(now: number): void {
    this.#lastStepAt = now;
  }

  /** Whether the seal should wait; `onEnd` follows then. */
  holds(gathered: { readonly entries: number; readonly bytes: number }, sinceLastSealMs: number): boolean {
    if (this.#linger.ms === 0) return false;
    const delayMs = sealDelay(this.#linger, gathered, sinceLastSealMs);
    if (delayMs > 0) this.#timer ??= this.#start(delayMs);
    return delayMs > 0;
  }

  #start(delayMs: number): NodeJS.Timeout {
    this.#isEnding = delayMs <= ENDING_MS;
    if (this.#isEnding) return setTimeout(() => this.#events.onEnd(), delayMs);
    return setTimeout(() => {
      this.#isEnding = true;
      this.#timer = setTimeout(() => this.#events.onEnd(), ENDING_MS);
      this.#events.onEnding();
    }, delayMs - ENDING_MS);
  }

  /** It has run to its end, at `now`: did its second half bring anything? */
  ended(now: number): void {
    this.#timer = null;
    this.#linger = nextLinger(this.#linger, this.#msMax, this.#lastStepAt >= now - this.#linger.ms / 2);
  }

  /** A group was sealed. */
  sealed(): void {
    this.#linger = nextLinger(this.#linger, this.#msMax, null);
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
