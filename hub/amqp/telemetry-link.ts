/**
 * A link on which a device or module sends messages: each becomes a frame, and is accepted when the publisher
 * says that it is durable (J1). While a queue that refuses is full, credit is withheld, and what still comes on
 * credit given before is released: the client keeps it (A5).
 *
 * A batch is many messages in one transfer (contract §5.4). All are read before any is taken, they are taken
 * in one turn, and the one disposition follows the last of them.
 */
import { HELD_MAX, type Plan, type Publisher, type PublisherSocket } from "../endpoints/publisher.ts";
import type { AmqpIdentity } from "./handler.ts";
import type { IncomingLink, IncomingUser } from "./incoming-link.ts";
import { BATCH_MESSAGES_MAX, PRODUCER_CREDIT } from "./limits.ts";
import { toFrameParts, type Incoming } from "./mapping.ts";
import { MessageReader, SECTION } from "./message.ts";
import type { AmqpError } from "./codec.ts";
import { REFUSED } from "./outcome.ts";

/** Message formats. */
const PLAIN = 0;
const BATCH = 0x80013700;
/** For messages of a batch before the last: nobody is told of these. No delivery has such an id. */
const UNTOLD = -1;

export interface TelemetryHost {
  publisherFor(socket: PublisherSocket): Publisher;
  /** The plan of an output, or of no output; `null` when the module has too many. */
  planOf(identity: AmqpIdentity, output: string | null): Plan | null;
  readonly stalledMsMax: number;
}

/** Read one after the other, and never across a call that could read another. */
const envelope = new MessageReader();
const inner = new MessageReader();

export class TelemetryLink implements IncomingUser, PublisherSocket {
  readonly #link: IncomingLink;
  readonly #identity: AmqpIdentity;
  readonly #host: TelemetryHost;
  readonly #publisher: Publisher;
  /** By output: what routes lead where is worked out once. */
  readonly #plans = new Map<string | null, Plan>();
  #stalled: NodeJS.Timeout | null = null;

  constructor(link: IncomingLink, identity: AmqpIdentity, host: TelemetryHost) {
    this.#link = link;
    this.#identity = identity;
    this.#host = host;
    this.#publisher = host.publisherFor(this);
    link.window = PRODUCER_CREDIT;
  }

  onMessage(
    deliveryId: number,
    format: number,
    bytes: Buffer,
    from: number,
    to: number,
    isSettled: boolean,
  ): void {
    if (this.#publisher.held >= HELD_MAX) {
      if (!isSettled) this.#link.settle(deliveryId, "released");
      return;
    }
    const error =
      format === PLAIN
        ? this.#takeOne(deliveryId, bytes, from, to, isSettled)
        : format === BATCH
          ? this.#takeBatch(deliveryId, bytes, from, to, isSettled)
          : REFUSED.malformed;
    if (error !== null && !isSettled) this.#link.settle(deliveryId, "rejected", error);
  }

  #takeOne(
    deliveryId: number,
    bytes: Buffer,
    from: number,
    to: number,
    isSettled: boolean,
  ): AmqpError | null {
    const message = partsOf(envelope, bytes, from, to);
    if ("condition" in message) return message;
    const plan = this.#planOf(message.output);
    if (plan === null) return REFUSED.outputs;
    this.#publish(plan, message, !isSettled, deliveryId);
    return null;
  }

  #takeBatch(
    deliveryId: number,
    bytes: Buffer,
    from: number,
    to: number,
    isSettled: boolean,
  ): AmqpError | null {
    const isBatch = envelope.read(bytes, from, to) && envelope.bodySection === SECTION.DATA;
    if (!isBatch || envelope.bodySections === 0 || envelope.bodySections > BATCH_MESSAGES_MAX) {
      return REFUSED.malformed;
    }
    const taken: [Plan, Incoming][] = [];
    for (const data of envelope.dataSections()) {
      const message = partsOf(inner, data, 0, data.length);
      if ("condition" in message) return message;
      const plan = this.#planOf(message.output);
      if (plan === null) return REFUSED.outputs;
      taken.push([plan, message]);
    }
    for (const [i, [plan, message]] of taken.entries()) {
      this.#publish(plan, message, !isSettled, i === taken.length - 1 ? deliveryId : UNTOLD);
    }
    return null;
  }

  #planOf(output: string | null): Plan | null {
    const known = this.#plans.get(output);
    if (known !== undefined) return known;
    const plan = this.#host.planOf(this.#identity, output);
    if (plan !== null) this.#plans.set(output, plan);
    return plan;
  }

  #publish(plan: Plan, { sections, body }: Incoming, wantsAck: boolean, token: number): void {
    const { sourceId, origin, path, targets, version } = plan;
    const own: Plan = { sourceId, origin, sections, path, targets, version };
    this.#publisher.publish(own, body, 0, body.length, wantsAck, token);
    // Where it went was worked out anew if the routes have changed: the next message need not do it again.
    plan.targets = own.targets;
    plan.version = own.version;
  }

  // ---- The publisher's side ----

  /** The message is durable. */
  puback(token: number): void {
    if (token !== UNTOLD) this.#link.settle(token, "accepted");
  }

  pause(): void {
    this.#link.window = 0;
    this.#stalled ??= setTimeout(() => this.#giveUp(), this.#host.stalledMsMax).unref();
  }

  resume(): void {
    this.#clearTimer();
    this.#link.window = PRODUCER_CREDIT;
  }

  /** What is held was not acknowledged: the client still has it. */
  #giveUp(): void {
    this.#stalled = null;
    this.#link.session.detach(this.#link, REFUSED.throttled);
  }

  #clearTimer(): void {
    if (this.#stalled !== null) clearTimeout(this.#stalled);
    this.#stalled = null;
  }

  onEnd(): void {
    this.#clearTimer();
    this.#publisher.close();
  }
}

function partsOf(reader: MessageReader, bytes: Buffer, from: number, to: number): Incoming | AmqpError {
  const parts = reader.read(bytes, from, to) ? toFrameParts(reader) : "malformed";
  if (parts === "malformed") return REFUSED.malformed;
  return parts === "too_large" ? REFUSED.tooLarge : parts;
}
