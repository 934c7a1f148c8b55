/**
 * A link on which a device receives its cloud-to-device messages (contract §5.3, §5.5). Each delivery has a lock of
 * its own, for a minute: its token is the delivery tag. When the lock is over the message is offered again, as another
 * delivery; who then still has something to say of the first one hears that the lock is lost.
 */
import { randomBytes } from "node:crypto";
import { FRAME, type Block } from "../../abi/index.ts";
import {
  DeliveryWindow,
  type Delivered,
  type DeliveryHost,
  type DeliverySink,
  type WindowInput,
} from "../endpoints/delivery-window.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import { Confirmations } from "./confirmations.ts";
import { writeMessage } from "./mapping.ts";
import type { OutgoingLink, OutgoingUser } from "./outgoing-link.ts";
import { REFUSED, type Outcome } from "./outcome.ts";
import { Writer } from "./writer.ts";

const LOCK_TOKEN_BYTES = 16;
/** Deliveries without a lock that the client has still to answer; the oldest beyond are settled by us. */
const UNLOCKED_MAX = 64;

export interface DeviceboundLinkHost {
  readonly window: DeliveryHost;
  readonly lockMs: number;
  /** Resolves when all steps so far are durable. */
  durable(): Promise<void>;
}

/** One delivery, while its lock holds. */
interface Lock {
  readonly token: number;
  readonly deliveryId: number;
}

const writer = new Writer();

export class DeviceboundLink implements OutgoingUser, DeliverySink<WindowInput> {
  readonly kind = "amqp";
  /** Credit comes with a flow. */
  readonly tellsWhenWritable = true;
  readonly #link: OutgoingLink;
  readonly #window: DeliveryWindow<WindowInput>;
  readonly #confirmations: Confirmations;
  readonly #onGone: () => void;
  /** Goes up with each delivery: what a lock is known by inside. */
  #lastToken = 0;
  /** By the window's sequence numbers, which a message keeps when it is delivered again. */
  readonly #locks = new Map<number, Lock>();
  readonly #sequences = new Map<number, number>();
  /** Delivery ids by token, oldest first. */
  readonly #unlocked = new Map<number, number>();

  /** `onGone`: the link has ended. */
  constructor(link: OutgoingLink, host: DeviceboundLinkHost, onGone: () => void) {
    this.#link = link;
    this.#onGone = onGone;
    this.#window = new DeliveryWindow(this, host.window, { lockMs: host.lockMs });
    this.#confirmations = new Confirmations(link, () => host.durable());
  }

  /** Delivers from this queue from now on; `null`: there is none. */
  deliverFrom(queue: Endpoint | null): void {
    this.#window.attach(queue === null ? [] : [{ endpoint: queue }]);
    this.#window.pump();
  }

  get isWritable(): boolean {
    return this.#link.canSend;
  }

  deliver(_input: WindowInput, block: Block, frame: number, sequence: number, attempt: number): Delivered {
    const tag = randomBytes(LOCK_TOKEN_BYTES);
    writer.reset();
    writeMessage(writer, block, frame, {
      input: null,
      sender: null,
      attempts: attempt,
      sequence: messageNumber(block, frame),
      lockToken: guidText(tag),
    });
    const token = ++this.#lastToken;
    const { isAlwaysSettled } = this.#link;
    const deliveryId = this.#link.send(writer.view(), tag, isAlwaysSettled, token);
    if (isAlwaysSettled) return "settled";
    this.#locks.set(sequence, { token, deliveryId });
    this.#sequences.set(token, sequence);
    return "sent";
  }

  onCredit(): void {
    this.#window.pump();
  }

  onLockOver(sequence: number): void {
    const { token, deliveryId } = this.#locks.get(sequence)!;
    this.#forget(token, sequence);
    this.#unlocked.set(token, deliveryId);
    if (this.#unlocked.size <= UNLOCKED_MAX) return;
    const [oldest, oldestId] = this.#unlocked.entries().next().value!;
    this.#unlocked.delete(oldest);
    this.#link.withdraw(oldestId);
  }

  onOutcome(token: number, outcome: Outcome, deliveryId: number, isSettled: boolean): void {
    const isTaken = this.#settle(token, outcome);
    if (isSettled) return;
    if (isTaken) this.#confirmations.add(deliveryId, outcome);
    else this.#confirmations.add(deliveryId, "rejected", REFUSED.lockLost);
  }

  /** `false`: its lock is over, or there is no such message any more. */
  #settle(token: number, outcome: Outcome): boolean {
    const sequence = this.#sequences.get(token);
    this.#unlocked.delete(token);
    if (sequence === undefined) return false;
    const isLocked = this.#locks.get(sequence)?.token === token;
    this.#forget(token, sequence); // settling may lead to another delivery of the same message at once
    return isLocked && this.#window.settle(sequence, outcome);
  }

  #forget(token: number, sequence: number): void {
    this.#sequences.delete(token);
    if (this.#locks.get(sequence)?.token === token) this.#locks.delete(sequence);
  }

  /** Of a window without locks alone. */
  onUnsettled(): void {
    this.#link.session.detach(this.#link, REFUSED.unsettled);
  }

  onEnd(): void {
    this.#window.close();
    this.#onGone();
  }
}

/** The hub's boots and its messages in each: it goes up with every message, and is the message's for good. */
function messageNumber(block: Block, frame: number): number {
  const word = (frame + FRAME.UID) >> 2;
  return block.u32[word + 1]! * 2 ** 32 + block.u32[word + 2]!;
}

/** As .NET writes the bytes of a Guid, which is how its SDK makes a delivery tag of a lock token again. */
function guidText(bytes: Buffer): string {
  const groups = [
    bytes.subarray(0, 4).toReversed(),
    bytes.subarray(4, 6).toReversed(),
    bytes.subarray(6, 8).toReversed(),
    bytes.subarray(8, 10),
    bytes.subarray(10, 16),
  ];
  return groups.map((group) => Buffer.from(group).toString("hex")).join("-");
}
