/**
 * What a client that leaves settlement to us (`rcv-settle-mode` second) hears of its outcomes: that they are
 * settled, when that is durable (J1). Once per group, not per delivery.
 */
import type { AmqpError } from "./codec.ts";
import type { OutgoingLink } from "./outgoing-link.ts";
import type { Outcome } from "./outcome.ts";

interface Told {
  readonly deliveryId: number;
  readonly outcome: Outcome;
  readonly error: AmqpError | null;
}

export class Confirmations {
  readonly #link: OutgoingLink;
  readonly #durable: () => Promise<void>;
  /** Of this turn. */
  #told: Told[] = [];

  /** @param durable resolves when all steps so far are durable */
  constructor(link: OutgoingLink, durable: () => Promise<void>) {
    this.#link = link;
    this.#durable = durable;
  }

  /** The client has told an outcome and not settled it. `error`: what came of it instead. */
  add(deliveryId: number, outcome: Outcome, error: AmqpError | null = null): void {
    this.#told.push({ deliveryId, outcome, error });
    if (this.#told.length === 1) void this.#confirm();
  }

  async #confirm(): Promise<void> {
    await Promise.resolve(); // the rest of this frame's deliveries
    const told = this.#told;
    this.#told = [];
    await this.#durable();
    for (const { deliveryId, outcome, error } of told) this.#link.confirm(deliveryId, outcome, error);
  }
}
