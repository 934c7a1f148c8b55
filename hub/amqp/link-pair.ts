/**
 * Two links that belong together, one each way: twin and method links (contract §5.3). They say so by a
 * correlation id; when a half comes with another one, the older half is closed.
 */
import type { IncomingLink } from "./incoming-link.ts";
import type { OutgoingLink } from "./outgoing-link.ts";
import { ReplyQueue } from "./reply-queue.ts";
import { REQUEST_CREDIT } from "./limits.ts";

const CORRELATION = "com.microsoft:channel-correlation-id";

export interface LinkPairUser {
  /** A message on the link that the client sends on: `bytes[from, to)`, during the call. */
  onMessage(bytes: Buffer, from: number, to: number): void;
  /** The client receives now, or no longer. */
  onReceiving(isReceiving: boolean): void;
}

export class LinkPair {
  readonly #user: LinkPairUser;
  #incoming: IncomingLink | null = null;
  #outgoing: ReplyQueue | null = null;

  constructor(user: LinkPairUser) {
    this.#user = user;
  }

  attach(link: IncomingLink | OutgoingLink): void {
    const wanted = correlationOf(link);
    const half = link.isIncoming ? this.#outgoing?.link : this.#incoming;
    const older = link.isIncoming ? this.#incoming : this.#outgoing?.link;
    older?.session.detach(older, null);
    if (half && correlationOf(half) !== wanted) half.session.detach(half, null);
    if (link.isIncoming) this.#attachIncoming(link);
    else this.#attachOutgoing(link);
  }

  #attachIncoming(link: IncomingLink): void {
    this.#incoming = link;
    link.user = {
      onMessage: (deliveryId, _format, bytes, from, to, isSettled) => {
        if (!isSettled) link.settle(deliveryId, "accepted");
        this.#user.onMessage(bytes, from, to);
      },
      onEnd: () => {
        if (this.#incoming === link) this.#incoming = null;
      },
    };
    link.window = REQUEST_CREDIT;
  }

  #attachOutgoing(link: OutgoingLink): void {
    const queue: ReplyQueue = new ReplyQueue(link, () => {
      if (this.#outgoing !== queue) return;
      this.#outgoing = null;
      this.#user.onReceiving(false);
    });
    link.user = this.#outgoing = queue;
    this.#user.onReceiving(true);
  }

  /** Dropped when the client does not receive. */
  send(message: Buffer): void {
    this.#outgoing?.send(message);
  }
}

/** `twin:<id>`, `methods:<id>`, or the id alone. */
function correlationOf({ attach }: { readonly attach: IncomingLink["attach"] }): string {
  const text = attach.properties.get(CORRELATION) ?? "";
  return text.slice(text.indexOf(":") + 1).toLowerCase();
}
