/** The frames that are sent often, written by hand into the outbox: transfers, flows, dispositions. */
import type { AmqpError } from "./codec.ts";
import type { Outbox } from "./outbox.ts";
import { writeOutcome, type Outcome } from "./outcome.ts";
import { PERFORMATIVE } from "./performative.ts";
import { TYPE } from "./value.ts";
import { Writer } from "./writer.ts";

const FRAME_HEADER_BYTES = 8;
/** What a transfer has around its payload, with a tag of up to 32 bytes. */
export const TRANSFER_BYTES_MAX = 96;

const writer = new Writer();

function begin(performative: number): number {
  writer.reset();
  writer.described(performative);
  return writer.open(TYPE.LIST32);
}

/** Puts header, performative and payload as one frame. */
function put(outbox: Outbox, channel: number, payload: Buffer | null, from: number, to: number): void {
  const total = FRAME_HEADER_BYTES + writer.at + to - from;
  const chunk = outbox.room(total);
  if (chunk === null) return;
  let at = chunk.writeUInt32BE(total, outbox.at);
  at = chunk.writeUInt32BE(0x02000000 | channel, at);
  writer.bytes.copy(chunk, at, 0, writer.at);
  if (payload !== null) payload.copy(chunk, at + writer.at, from, to);
  outbox.filled(total);
}

export interface Transfer {
  readonly handle: number;
  readonly deliveryId: number;
  readonly tag: Buffer;
  readonly isSettled: boolean;
}

/** One frame of a message: `payload[from, to)`. */
export function putTransfer(
  outbox: Outbox,
  channel: number,
  { handle, deliveryId, tag, isSettled }: Transfer,
  payload: Buffer,
  from: number,
  to: number,
  hasMore: boolean,
): void {
  const list = begin(PERFORMATIVE.TRANSFER);
  writer.uint(handle);
  writer.uint(deliveryId);
  writer.content(TYPE.BINARY8, tag, 0, tag.length);
  writer.uint(0);
  writer.boolean(isSettled);
  writer.boolean(hasMore);
  writer.close(list, 6);
  put(outbox, channel, payload, from, to);
}

export interface SessionWindow {
  readonly nextIncomingId: number;
  readonly incomingWindow: number;
  readonly nextOutgoingId: number;
}

export interface LinkFlow {
  readonly handle: number;
  readonly deliveryCount: number;
  readonly credit: number;
  readonly isDraining: boolean;
}

/** `link` `null`: of the session alone. */
export function putFlow(
  outbox: Outbox,
  channel: number,
  session: SessionWindow,
  link: LinkFlow | null,
): void {
  const list = begin(PERFORMATIVE.FLOW);
  writer.uint(session.nextIncomingId);
  writer.uint(session.incomingWindow);
  writer.uint(session.nextOutgoingId);
  writer.uint(0x7fffffff);
  if (link !== null) {
    writer.uint(link.handle);
    writer.uint(link.deliveryCount);
    writer.uint(link.credit);
    writer.null();
    writer.boolean(link.isDraining);
  }
  writer.close(list, link === null ? 4 : 9);
  put(outbox, channel, null, 0, 0);
}

/** Settles deliveries `[first, last]`. `isReceiver`: those that came, not those that we made. */
export function putDisposition(
  outbox: Outbox,
  channel: number,
  isReceiver: boolean,
  first: number,
  last: number,
  outcome: Outcome,
  error: AmqpError | null,
): void {
  const list = begin(PERFORMATIVE.DISPOSITION);
  writer.boolean(isReceiver);
  writer.uint(first);
  writer.uint(last);
  writer.boolean(true);
  writeOutcome(writer, outcome, error, TYPE.LIST32);
  writer.close(list, 5);
  put(outbox, channel, null, 0, 0);
}

/** A sign of life. */
export function putEmpty(outbox: Outbox): void {
  writer.reset();
  put(outbox, 0, null, 0, 0);
}
