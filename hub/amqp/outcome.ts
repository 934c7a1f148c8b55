/** Outcomes of deliveries (AMQP 3.4), with the conditions that IoT Hub's clients know (contract §5.5). */
import type { AmqpError } from "./codec.ts";
import { descriptorAt, type TYPE } from "./value.ts";
import type { Writer } from "./writer.ts";

export type Outcome = "accepted" | "rejected" | "released" | "modified";

const DESCRIPTOR = { accepted: 0x24, rejected: 0x25, released: 0x26, modified: 0x27 } as const;
const ERROR = 0x1d;

const OUTCOMES: ReadonlyMap<number, Outcome> = new Map(
  Object.entries(DESCRIPTOR).map(([name, code]) => [code, name as Outcome]),
);

/** The outcome at a place; `null` for a state that is none, such as `received`. */
export const outcomeAt = (bytes: Buffer, at: number): Outcome | null =>
  OUTCOMES.get(descriptorAt(bytes, at)) ?? null;

export function writeOutcome(
  writer: Writer,
  outcome: Outcome,
  error: AmqpError | null,
  list: ListCode,
): void {
  writer.described(DESCRIPTOR[outcome]);
  const fields = writer.open(list);
  if (error !== null) {
    writer.described(ERROR);
    const parts = writer.open(list);
    writer.symbol(error.condition);
    writer.string(error.description);
    writer.close(parts, 2);
  }
  writer.close(fields, error === null ? 0 : 1);
}

type ListCode = typeof TYPE.LIST32;

const error = (condition: string, description: string): AmqpError => ({ condition, description });

/** Why a message, a request or a link is refused. */
export const REFUSED = {
  notFound: error("amqp:not-found", "no such address"),
  unauthorized: error("amqp:unauthorized-access", "identity may not use this address"),
  notAllowed: error("amqp:not-allowed", "link has the wrong direction, or its identity no such thing"),
  malformed: error("com.microsoft:argument-error", "message is malformed"),
  tooLarge: error("amqp:link:message-size-exceeded", "message is larger than 262144 bytes"),
  outputs: error("amqp:resource-limit-exceeded", "module has too many outputs"),
  throttled: error("com.microsoft:device-container-throttled", "a queue of this message is full"),
  lockLost: error("com.microsoft:message-lock-lost", "the lock of the message is over, or it was purged"),
  credit: error("amqp:link:transfer-limit-exceeded", "more messages than credit"),
  stolen: error("amqp:link:stolen", "identity connected again"),
  expired: error("amqp:unauthorized-access", "token has expired"),
  removed: error("amqp:unauthorized-access", "identity was removed or disabled, or has a new key"),
  unsettled: error("amqp:resource-limit-exceeded", "deliveries are not settled"),
  replies: error("amqp:resource-limit-exceeded", "replies are not read"),
} as const;
