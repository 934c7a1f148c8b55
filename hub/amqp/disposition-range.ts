/** Gathers dispositions of consecutive deliveries with one outcome, so that a group is one frame. */
import type { AmqpError } from "./codec.ts";
import type { Outcome } from "./outcome.ts";
import { next } from "./serial.ts";

export type PutRange = (first: number, last: number, outcome: Outcome, error: AmqpError | null) => void;

export class DispositionRange {
  readonly #put: PutRange;
  #outcome: Outcome | null = null;
  #first = 0;
  #last = 0;

  constructor(put: PutRange) {
    this.#put = put;
  }

  add(deliveryId: number, outcome: Outcome, error: AmqpError | null): void {
    if (error === null && this.#outcome === outcome && deliveryId === next(this.#last)) {
      this.#last = deliveryId;
      return;
    }
    this.flush();
    if (error !== null) return this.#put(deliveryId, deliveryId, outcome, error);
    this.#outcome = outcome;
    this.#first = this.#last = deliveryId;
  }

  flush(): void {
    if (this.#outcome === null) return;
    this.#put(this.#first, this.#last, this.#outcome, null);
    this.#outcome = null;
  }
}
