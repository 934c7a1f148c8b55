/**
 * One session of a connection: its links by handle, its windows, its delivery ids. Whatever a peer does wrong
 * here is a `CloseCode`, and ends the connection; what concerns one link alone detaches that link.
 */
import type { CloseCode } from "./close-reason.ts";
import type { AmqpError, AttachFields } from "./codec.ts";
import type { AmqpConnection } from "./connection.ts";
import { DispositionRange } from "./disposition-range.ts";
import { IncomingLink, type TransferHead } from "./incoming-link.ts";
import { INCOMING_WINDOW, LINKS_PER_SESSION_MAX } from "./limits.ts";
import { OutgoingLink } from "./outgoing-link.ts";
import { outcomeAt, type Outcome } from "./outcome.ts";
import { ABSENT, type PerformativeReader } from "./performative.ts";
import { putDisposition, putFlow, putTransfer, TRANSFER_BYTES_MAX } from "./sent-frames.ts";
import { ahead, next, plus } from "./serial.ts";
import { booleanAt, uintAt } from "./value.ts";

export type Link = IncomingLink | OutgoingLink;

export class Session {
  readonly connection: AmqpConnection;
  readonly channel: number;
  readonly #links = new Map<number, Link>();
  // What comes in.
  nextIncomingId: number;
  incomingWindow = INCOMING_WINDOW;
  #nextDeliveryIn: number | null = null;
  // What goes out.
  nextOutgoingId = 0;
  remoteWindow: number;
  #nextDeliveryOut = 0;
  /** Links that may be due credit. */
  readonly #touched = new Set<IncomingLink>();
  readonly #settledIn: DispositionRange;
  readonly #settledOut: DispositionRange;

  constructor(connection: AmqpConnection, channel: number, nextIncomingId: number, remoteWindow: number) {
    this.connection = connection;
    this.channel = channel;
    this.nextIncomingId = nextIncomingId;
    this.remoteWindow = remoteWindow;
    const { outbox } = connection;
    this.#settledIn = new DispositionRange((first, last, outcome, error) =>
      putDisposition(outbox, channel, true, first, last, outcome, error),
    );
    this.#settledOut = new DispositionRange((first, last, outcome, error) =>
      putDisposition(outbox, channel, false, first, last, outcome, error),
    );
  }

  links(): Iterable<Link> {
    return this.#links.values();
  }

  // ---- Links ----

  /** A new link, or why there may be none. */
  add(attach: AttachFields): Link | CloseCode {
    if (attach.handle >= LINKS_PER_SESSION_MAX) return "links_too_many";
    if (this.#links.has(attach.handle)) return "handle_in_use";
    for (const { attach: other, isDetached } of this.#links.values()) {
      const isSame = other.name === attach.name && other.isReceiver === attach.isReceiver;
      if (isSame && !isDetached) return "link_name_in_use";
    }
    const link = attach.isReceiver ? new OutgoingLink(this, attach) : new IncomingLink(this, attach);
    this.#links.set(attach.handle, link);
    return link;
  }

  /** Closes a link from our side. Its handle is free when the client has answered. */
  detach(link: Link, error: AmqpError | null): void {
    if (link.isDetached) return;
    this.flush(); // what was settled before goes before
    link.isDetached = true;
    this.connection.putDetach(this, link, error);
    link.end();
  }

  /** The client's DETACH. */
  onDetach(handle: number): CloseCode | null {
    const link = this.#links.get(handle);
    if (link === undefined) return "handle_unknown";
    this.detach(link, null);
    this.#links.delete(handle);
    this.#touched.delete(link as IncomingLink);
    this.connection.linkGone();
    return null;
  }

  /** The session is over: so are its links. */
  end(): void {
    for (const link of this.#links.values()) {
      this.connection.linkGone();
      if (link.isDetached) continue;
      link.isDetached = true;
      link.end();
    }
    this.#links.clear();
    this.#touched.clear();
  }

  // ---- From the client ----

  onTransfer({ places, end }: PerformativeReader, bytes: Buffer, to: number): CloseCode | null {
    if (this.incomingWindow === 0) return "window_violated";
    this.incomingWindow--;
    this.nextIncomingId = next(this.nextIncomingId);
    if (this.incomingWindow < INCOMING_WINDOW / 2) this.connection.outbox.touch();
    const link = this.#links.get(uintAt(bytes, places[0]!, 0));
    if (link === undefined) return "handle_unknown";
    if (!link.isIncoming) return "transfer_unexpected";
    const head: TransferHead = {
      deliveryId: fieldUint(bytes, places[1]!, -1),
      format: fieldUint(bytes, places[3]!, 0),
      isSettled: fieldBoolean(bytes, places[4]!),
      hasMore: fieldBoolean(bytes, places[5]!),
      isAborted: fieldBoolean(bytes, places[9]!),
    };
    if (!link.isPartial && !this.#isNextDelivery(head.deliveryId)) return "delivery_id_malformed";
    return link.isDetached ? null : link.onTransfer(head, bytes, end, to);
  }

  /** Delivery ids of a session go up by one (AMQP 2.6.12). */
  #isNextDelivery(deliveryId: number): boolean {
    if (deliveryId < 0 || (this.#nextDeliveryIn !== null && deliveryId !== this.#nextDeliveryIn))
      return false;
    this.#nextDeliveryIn = next(deliveryId);
    return true;
  }

  onFlow({ places }: PerformativeReader, bytes: Buffer): CloseCode | null {
    const nextIncoming = fieldUint(bytes, places[0]!, 0);
    const window = uintAt(bytes, places[1]!, 0);
    // What the client has not seen of what we sent counts against its window (AMQP 2.5.6).
    const open = window - ahead(nextIncoming, this.nextOutgoingId);
    const wasShut = this.remoteWindow === 0;
    this.remoteWindow = Math.max(0, open);
    if (places[4] === ABSENT || wasShut) this.resume();
    if (places[4] !== ABSENT) {
      const link = this.#links.get(uintAt(bytes, places[4]!, 0));
      if (link === undefined) return "handle_unknown";
      if (!link.isIncoming && !link.isDetached) {
        const count = fieldUint(bytes, places[5]!, 0);
        const credit = fieldUint(bytes, places[6]!, 0);
        link.credit = Math.max(0, credit - ahead(count, link.deliveryCount));
        link.isDraining = fieldBoolean(bytes, places[8]!);
        link.onFlow();
      }
    }
    if (fieldBoolean(bytes, places[9]!)) putFlow(this.connection.outbox, this.channel, this, null);
    return null;
  }

  /** There is room that there was not: links go on. */
  resume(): void {
    for (const link of this.#links.values()) if (!link.isIncoming && !link.isDetached) link.onFlow();
  }

  onDisposition({ places }: PerformativeReader, bytes: Buffer): CloseCode | null {
    const first = uintAt(bytes, places[1]!, 0);
    const last = fieldUint(bytes, places[2]!, first);
    if (ahead(first, last) < 0) return "disposition_range";
    // Of deliveries that came in: we have settled them, or will, whatever the sender says.
    if (!booleanAt(bytes, places[0]!)) return null;
    if (ahead(last, this.#nextDeliveryOut) <= 0) return "disposition_range";
    const isSettled = fieldBoolean(bytes, places[3]!);
    const outcome = places[4] === ABSENT ? null : outcomeAt(bytes, places[4]!);
    for (const link of this.#links.values()) {
      if (!link.isIncoming) link.onDisposition(first, last, outcome, isSettled);
    }
    return null;
  }

  // ---- To the client ----

  takeDeliveryId(): number {
    const id = this.#nextDeliveryOut;
    this.#nextDeliveryOut = next(id);
    return id;
  }

  /** Sends frames of a message from `from` on, as far as the window goes. Returns how far that was. */
  transfer(
    handle: number,
    deliveryId: number,
    tag: Buffer,
    isSettled: boolean,
    message: Buffer,
    from: number,
  ): number {
    const { outbox, sentFrameBytesMax } = this.connection;
    const payloadMax = sentFrameBytesMax - TRANSFER_BYTES_MAX;
    const head = { handle, deliveryId, tag, isSettled };
    while (this.remoteWindow > 0) {
      const to = Math.min(message.length, from + payloadMax);
      putTransfer(outbox, this.channel, head, message, from, to, to < message.length);
      this.remoteWindow--;
      this.nextOutgoingId = plus(this.nextOutgoingId, 1);
      from = to;
      if (from === message.length) break;
    }
    return from;
  }

  putLinkFlow(link: Link, isDraining: boolean): void {
    const { handle, deliveryCount, credit } = link;
    putFlow(this.connection.outbox, this.channel, this, { handle, deliveryCount, credit, isDraining });
  }

  settleIncoming(deliveryId: number, outcome: Outcome, error: AmqpError | null): void {
    this.connection.outbox.touch();
    this.#settledIn.add(deliveryId, outcome, error);
  }

  settleOutgoing(deliveryId: number, outcome: Outcome, error: AmqpError | null): void {
    this.connection.outbox.touch();
    this.#settledOut.add(deliveryId, outcome, error);
  }

  /** Credit may be due: looked at when the turn is over. */
  touch(link: IncomingLink): void {
    this.#touched.add(link);
    this.connection.outbox.touch();
  }

  /** The turn is over: what it settled goes out, then the credit that this made. */
  flush(): void {
    this.#settledIn.flush();
    this.#settledOut.flush();
    const isWindowLow = this.incomingWindow < INCOMING_WINDOW / 2;
    if (isWindowLow) this.incomingWindow = INCOMING_WINDOW;
    let isWindowTold = false;
    for (const link of this.#touched) {
      if (link.isDetached || !link.takeDueCredit()) continue;
      this.putLinkFlow(link, false);
      isWindowTold = true;
    }
    this.#touched.clear();
    if (isWindowLow && !isWindowTold) putFlow(this.connection.outbox, this.channel, this, null);
  }
}

const fieldUint = (bytes: Buffer, place: number, otherwise: number): number =>
  place === ABSENT ? otherwise : uintAt(bytes, place, otherwise);
const fieldBoolean = (bytes: Buffer, place: number): boolean => place !== ABSENT && booleanAt(bytes, place);
