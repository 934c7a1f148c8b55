/** What waits for credit on a link of answers. Bounded: whoever asks and never reads loses the link. */
import { REPLIES_BYTES_MAX, REPLIES_MAX } from "./limits.ts";
import type { OutgoingLink, OutgoingUser } from "./outgoing-link.ts";
import { REFUSED } from "./outcome.ts";

export class ReplyQueue implements OutgoingUser {
  readonly #link: OutgoingLink;
  readonly #onGone: () => void;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
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
    const bytes = this.#waitingBytes + message.length;
    if (this.#waiting.length >= REPLIES_MAX || bytes > REPLIES_BYTES_MAX)
      return this.#link.session.detach(this.#link, REFUSED.replies);
    this.#waiting.push(message);
    this.#waitingBytes = bytes;
    this.onCredit();
  }

  onCredit(): void {
    while (this.#waiting.length > 0 && this.#link.canSend) {
      const tag = Buffer.allocUnsafe(4);
      tag.writeUInt32BE(this.#sequence++ >>> 0);
      // Settled: an answer that is lost with its connection is asked for again.
      const message = this.#waiting.shift()!;
      this.#waitingBytes -= message.length;
      this.#link.send(message, tag, true, 0);
    }
  }

  onOutcome(): void {
    // Nothing is left to settle.
  }

  onEnd(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#onGone();
  }
}
