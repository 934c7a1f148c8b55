/** What waits for credit on a link of answers. Bounded: whoever asks and never reads loses the link. */
import type { OutgoingLink, OutgoingUser } from "./outgoing-link.ts";
import { REFUSED } from "./outcome.ts";

/** Answers that may wait. */
const REPLIES_MAX = 128;

export class ReplyQueue implements OutgoingUser {
  readonly #link: OutgoingLink;
  readonly #onGone: () => void;
  #waiting: Buffer[] = [];
  #sequence = 0;

  /** `onGone`: the link has ended. */
  constructor(link: OutgoingLink, onGone: () => void) {
    this.#link = link;
    this.#onGone = onGone;
  }

  get link(): OutgoingLink {
    return this.#link;
  }

  send(message: Buffer): void {
    if (this.#waiting.length >= REPLIES_MAX) return this.#link.session.detach(this.#link, REFUSED.replies);
    this.#waiting.push(message);
    this.onCredit();
  }

  onCredit(): void {
    while (this.#waiting.length > 0 && this.#link.canSend) {
      const tag = Buffer.allocUnsafe(4);
      tag.writeUInt32BE(this.#sequence++ >>> 0);
      // Settled: an answer that is lost with its connection is asked for again.
      this.#link.send(this.#waiting.shift()!, tag, true, 0);
    }
  }

  onOutcome(): void {
    // Nothing is left to settle.
  }

  onEnd(): void {
    this.#waiting = [];
    this.#onGone();
  }
}
