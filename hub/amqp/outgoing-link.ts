/**
 * A link on which we send: credit that the client gave, messages cut into frames, and what became of each
 * delivery. It never sends more than it may, so it never stands in the way of the session's other links.
 */
import type { AmqpError, AttachFields } from "./codec.ts";
import { DELIVERIES_MAX, LINK_BACKLOG_BYTES_MAX } from "./limits.ts";
import type { Outcome } from "./outcome.ts";
import { ahead, plus } from "./serial.ts";
import type { Session } from "./session.ts";

export interface OutgoingUser {
  /** There may be credit, or room, that there was not. */
  onCredit(): void;
  /**
   * What the client made of a delivery; once each. When it has not settled it, `link.confirm` must follow, as
   * soon as the outcome is durable.
   */
  onOutcome(token: number, outcome: Outcome, deliveryId: number, isSettled: boolean): void;
  /** The link is gone. The last call. */
  onEnd(): void;
}

const STATE = { PENDING: 0, TOLD: 1, DONE: 2 } as const;
const RING_INITIAL = 16;

/** How senders may settle (AMQP 2.8.2). */
const SETTLED = 1;

export class OutgoingLink {
  readonly isIncoming = false;
  readonly session: Session;
  readonly attach: AttachFields;
  identity = "";
  user: OutgoingUser | null = null;
  isDetached = false;
  isDraining = false;
  credit = 0;
  deliveryCount = 0;
  // Deliveries not settled, by age: a ring that grows with the window.
  #ids = new Uint32Array(RING_INITIAL);
  #tokens = new Float64Array(RING_INITIAL);
  #states = new Uint8Array(RING_INITIAL);
  #head = 0;
  #count = 0;
  /** What is left of a message that the session's window was too small for. */
  #rest: Buffer | null = null;
  #restTag: Buffer | null = null;
  #restId = 0;
  #isRestSettled = false;

  constructor(session: Session, attach: AttachFields) {
    this.session = session;
    this.attach = attach;
  }

  get handle(): number {
    return this.attach.handle;
  }

  /** The client wants all deliveries settled as they are sent. */
  get isAlwaysSettled(): boolean {
    return this.attach.senderSettleMode === SETTLED;
  }

  get unsettled(): number {
    return this.#count;
  }

  get canSend(): boolean {
    return (
      this.credit > 0 &&
      !this.isDetached &&
      this.#rest === null &&
      this.#count < DELIVERIES_MAX &&
      this.session.remoteWindow > 0 &&
      this.session.connection.backlogBytes < LINK_BACKLOG_BYTES_MAX
    );
  }

  /**
   * Only when `canSend`. The message is copied. `token` comes back with the outcome, if there is to be one. Returns
   * the delivery's id.
   */
  send(message: Buffer, tag: Buffer, isSettled: boolean, token: number): number {
    this.credit--;
    this.deliveryCount = plus(this.deliveryCount, 1);
    const deliveryId = this.session.takeDeliveryId();
    if (!isSettled) this.#push(deliveryId, token);
    const sent = this.session.transfer(this.handle, deliveryId, tag, isSettled, message, 0);
    if (sent === message.length) return deliveryId;
    this.#rest = Buffer.from(message.subarray(sent));
    this.#restTag = Buffer.from(tag);
    this.#restId = deliveryId;
    this.#isRestSettled = isSettled;
    return deliveryId;
  }

  #push(deliveryId: number, token: number): void {
    if (this.#count === this.#ids.length) this.#grow();
    const i = (this.#head + this.#count++) & (this.#ids.length - 1);
    this.#ids[i] = deliveryId;
    this.#tokens[i] = token;
    this.#states[i] = STATE.PENDING;
  }

  #grow(): void {
    const n = this.#ids.length;
    const [ids, tokens, states] = [new Uint32Array(2 * n), new Float64Array(2 * n), new Uint8Array(2 * n)];
    for (let i = 0; i < n; i++) {
      const from = (this.#head + i) & (n - 1);
      ids[i] = this.#ids[from]!;
      tokens[i] = this.#tokens[from]!;
      states[i] = this.#states[from]!;
    }
    [this.#ids, this.#tokens, this.#states, this.#head] = [ids, tokens, states, 0];
  }

  /** FLOW of the link, or of the session: goes on with what waits for it. */
  onFlow(): void {
    if (this.#rest !== null) {
      const rest = this.#rest;
      const sent = this.session.transfer(
        this.handle,
        this.#restId,
        this.#restTag!,
        this.#isRestSettled,
        rest,
        0,
      );
      this.#rest = sent === rest.length ? null : rest.subarray(sent);
      if (this.#rest !== null) return;
    }
    this.user?.onCredit();
    if (!this.isDraining) return;
    // What was not used up is given back (AMQP 2.6.7).
    this.isDraining = false;
    this.deliveryCount = plus(this.deliveryCount, this.credit);
    this.credit = 0;
    this.session.putLinkFlow(this, true);
  }

  /** Deliveries `[first, last]` of the session, some of which may be ours. `outcome` `null`: settled, untold. */
  onDisposition(first: number, last: number, outcome: Outcome | null, isSettled: boolean): void {
    // What is told may make room for more to be sent: the ring may grow under way.
    for (let i = this.#indexOf(first); i < this.#count; i++) {
      const at = (this.#head + i) & (this.#ids.length - 1);
      const id = this.#ids[at]!;
      if (ahead(id, last) < 0) break;
      const wasPending = this.#states[at] === STATE.PENDING;
      if (isSettled) this.#states[at] = STATE.DONE;
      else if (outcome !== null && wasPending) this.#states[at] = STATE.TOLD;
      // Settled without a word: nobody says that it was taken, so it is not.
      if (wasPending && (outcome !== null || isSettled)) {
        this.user?.onOutcome(this.#tokens[at]!, outcome ?? "released", id, isSettled);
      }
    }
    this.#pop();
  }

  /** Settles, from our side, a delivery that the client has told the outcome of and not settled. */
  confirm(deliveryId: number, outcome: Outcome, error: AmqpError | null = null): void {
    this.#settle(deliveryId, STATE.TOLD, outcome, error);
  }

  /** Settles, from our side, a delivery that the client has told nothing of: it is not to be had any more. */
  withdraw(deliveryId: number): void {
    this.#settle(deliveryId, STATE.PENDING, "released", null);
  }

  #settle(deliveryId: number, state: number, outcome: Outcome, error: AmqpError | null): void {
    if (this.isDetached) return;
    const i = this.#indexOf(deliveryId);
    const at = (this.#head + i) & (this.#ids.length - 1);
    if (i >= this.#count || this.#ids[at] !== deliveryId || this.#states[at] !== state) return;
    this.#states[at] = STATE.DONE;
    this.session.settleOutgoing(deliveryId, outcome, error);
    this.#pop();
  }

  #pop(): void {
    const mask = this.#ids.length - 1;
    while (this.#count > 0 && this.#states[this.#head] === STATE.DONE) {
      this.#head = (this.#head + 1) & mask;
      this.#count--;
    }
  }

  /** Place in the ring of the first delivery that is not before `id`. Ids go up. */
  #indexOf(id: number): number {
    const mask = this.#ids.length - 1;
    let [low, high] = [0, this.#count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ahead(this.#ids[(this.#head + middle) & mask]!, id) > 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  end(): void {
    this.#count = 0;
    this.#rest = null;
    const { user } = this;
    this.user = null;
    user?.onEnd();
  }
}
