/**
 * A link on which the client sends: transfers to messages, credit, settlement.
 *
 * Credit is our promise to take so many messages. What is promised and what is not yet settled together stay
 * within the window, so a client is never ahead of what its queues admit; a window of 0 withholds new credit.
 */
import type { CloseCode } from "./close-reason.ts";
import type { AmqpError, AttachFields } from "./codec.ts";
import { LINK_MESSAGE_BYTES_MAX } from "./limits.ts";
import { REFUSED, type Outcome } from "./outcome.ts";
import { next } from "./serial.ts";
import type { Session } from "./session.ts";

export interface IncomingUser {
  /**
   * One message, `bytes[from, to)`, valid during the call. Unless `isSettled`, must lead to `link.settle`, in
   * the order of arrival (J24).
   */
  onMessage(
    deliveryId: number,
    format: number,
    bytes: Buffer,
    from: number,
    to: number,
    isSettled: boolean,
  ): void;
  /** The link is gone. The last call. */
  onEnd(): void;
}

/** What a transfer says, beside its payload. */
export interface TransferHead {
  /** -1 = as before. */
  readonly deliveryId: number;
  readonly format: number;
  readonly isSettled: boolean;
  readonly hasMore: boolean;
  readonly isAborted: boolean;
}

export class IncomingLink {
  readonly isIncoming = true;
  readonly session: Session;
  readonly attach: AttachFields;
  /** Name of the identity it is for. */
  identity = "";
  user: IncomingUser | null = null;
  /** We have sent DETACH: what still comes is ignored. */
  isDetached = false;
  credit = 0;
  /** Of one message. Whoever serves the link may want less. */
  messageBytesMax: number = LINK_MESSAGE_BYTES_MAX;
  deliveryCount: number;
  #window = 0;
  #unsettled = 0;
  /** Parts of a message that is not whole. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  #isPartial = false;
  #deliveryId = 0;
  #format = 0;
  #isSettled = false;

  constructor(session: Session, attach: AttachFields) {
    this.session = session;
    this.attach = attach;
    this.deliveryCount = attach.initialDeliveryCount;
  }

  get handle(): number {
    return this.attach.handle;
  }

  /** A message has begun and not ended: the next transfer goes on with it. */
  get isPartial(): boolean {
    return this.#isPartial;
  }

  /** Messages that may be on their way or unsettled. 0 gives no further credit. */
  set window(messages: number) {
    this.#window = messages;
    this.session.touch(this);
  }

  /** Credit that is due and worth a frame; it counts as given. */
  takeDueCredit(): boolean {
    const due = this.#window - this.credit - this.#unsettled;
    if (due <= 0 || (due < this.#window / 4 && this.credit > 0)) return false;
    this.credit += due;
    return true;
  }

  /** One transfer, of a delivery whose id the session has checked. */
  onTransfer(head: TransferHead, bytes: Buffer, from: number, to: number): CloseCode | null {
    if (!this.#isPartial && !this.#begin(head)) return null;
    this.#isSettled ||= head.isSettled;
    if (head.isAborted) {
      this.#forgetParts();
      return null;
    }
    if (this.#partBytes + to - from > this.messageBytesMax) {
      this.session.detach(this, REFUSED.tooLarge);
      return null;
    }
    if (head.hasMore) return this.#keep(bytes, from, to);
    this.#isPartial = false;
    if (!this.#isSettled) this.#unsettled++;
    if (this.#parts.length === 0) this.#handOn(bytes, from, to);
    else {
      this.#parts.push(bytes.subarray(from, to));
      const whole = Buffer.concat(this.#parts);
      this.#forgetParts();
      this.#handOn(whole, 0, whole.length);
    }
    return null;
  }

  #begin({ deliveryId, format, isSettled }: TransferHead): boolean {
    if (this.credit === 0) {
      this.session.detach(this, REFUSED.credit);
      return false;
    }
    this.credit--;
    this.deliveryCount = next(this.deliveryCount);
    this.#deliveryId = deliveryId;
    this.#format = format;
    this.#isSettled = isSettled;
    return true;
  }

  #keep(bytes: Buffer, from: number, to: number): CloseCode | null {
    this.#isPartial = true;
    this.#parts.push(Buffer.from(bytes.subarray(from, to)));
    this.#partBytes += to - from;
    return this.session.connection.holdPartial(to - from) ? null : "partial_too_large";
  }

  #forgetParts(): void {
    this.session.connection.holdPartial(-this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    this.#isPartial = false;
  }

  #handOn(bytes: Buffer, from: number, to: number): void {
    if (this.#isSettled) this.session.touch(this); // nobody settles it, so credit is due here
    this.user?.onMessage(this.#deliveryId, this.#format, bytes, from, to, this.#isSettled);
  }

  settle(deliveryId: number, outcome: Outcome, error: AmqpError | null = null): void {
    if (this.isDetached) return;
    this.#unsettled--;
    this.session.settleIncoming(deliveryId, outcome, error);
    this.session.touch(this);
  }

  /** The link is gone, by whichever side. */
  end(): void {
    this.#forgetParts();
    const { user } = this;
    this.user = null;
    user?.onEnd();
  }
}
