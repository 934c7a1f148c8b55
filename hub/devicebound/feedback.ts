/**
 * Feedback: what became of messages whose senders asked (contract §9). A bounded log of its own; a record is
 * appended in the step that takes its message out of the queue (J2), so there is one, or the message is still there.
 */
import {
  type Block,
  bodyLength,
  bodyStart,
  ENTRY,
  PROPERTY_ID,
  encodeProperties,
  sections,
} from "../../abi/index.ts";
import type { DeliveryEnd } from "../endpoints/delivery-window.ts";
import { FEEDBACK } from "../endpoints/endpoint.ts";
import type { Engine } from "../engine.ts";
import type { Ack, FeedbackPage, FeedbackRecord, FeedbackStatus } from "../face/devicebound.ts";
import type { LogQuery } from "../face.ts";
import { readWhenNew } from "../operator/log-reader.ts";
import { hubOrigin, ownFrame } from "../own-message.ts";

/** How a message ends. Also by an operator's hand. */
export type DeviceboundEnd = DeliveryEnd | "purged";

const SAID: Readonly<Record<DeviceboundEnd, readonly [FeedbackStatus, description: string]>> = {
  accepted: ["Success", "the device completed it"],
  rejected: ["Rejected", "the device rejected it"],
  undeliverable: ["Rejected", "its properties do not fit into a topic"],
  deliveries: ["DeliveryCountExceeded", "it was delivered as often as may be, and never completed"],
  expired: ["Expired", "its time to live ended"],
  purged: ["Purged", "an operator purged it"],
};

/** Whether a sender that asked for `ack` wants to hear of an end. */
export const isWanted = (ack: Ack, end: DeviceboundEnd): boolean =>
  ack === "full" || ack === (end === "accepted" ? "positive" : "negative");

export interface Ended {
  readonly messageId: string;
  readonly deviceId: string;
  readonly deviceGenerationId: string;
  readonly end: DeviceboundEnd;
}

const RECORD_SECTIONS = sections(
  encodeProperties([
    { id: PROPERTY_ID.CONTENT_TYPE, value: "application/vnd.microsoft.iothub.feedback.json" },
    { id: PROPERTY_ID.CONTENT_ENCODING, value: "utf-8" },
  ]),
  new Uint8Array(0),
);

export class Feedback {
  readonly #engine: Engine;
  readonly #gatewayId: string;

  constructor(engine: Engine, gatewayId: string) {
    this.#engine = engine;
    this.#gatewayId = gatewayId;
  }

  /** As part of the current step. */
  tell({ messageId, end, ...device }: Ended): void {
    const engine = this.#engine;
    const [statusCode, description] = SAID[end];
    const enqueuedMs = engine.clock.wall();
    const record: FeedbackRecord = {
      originalMessageId: messageId,
      enqueuedTimeUtc: new Date(enqueuedMs).toISOString(),
      statusCode,
      description,
      ...device,
    };
    const body = Buffer.from(JSON.stringify(record));
    const sourceId = engine.sources.intern(hubOrigin(this.#gatewayId));
    const message = { properties: RECORD_SECTIONS, body, enqueuedMs };
    const block = ownFrame(engine, sourceId, message);
    const lane = engine.endpoints.open(FEEDBACK).lane(0);
    lane.appendFrame(block, 0, block.u8.length, { port: 0, deadline: Infinity });
    engine.journal.touch(lane);
    engine.journal.step();
    engine.stepped();
  }

  /** Durable records (J1). */
  async read(query: LogQuery): Promise<FeedbackPage> {
    const lane = this.#engine.endpoints.open(FEEDBACK).lane(0);
    const { entries, next, oldest } = await readWhenNew(this.#engine, lane, query, recordAt);
    return { records: entries, next, oldest };
  }
}

function recordAt(block: Block, entryAt: number, offset: number): FeedbackRecord & { offset: number } {
  const frame = entryAt + ENTRY.SIZE;
  const from = bodyStart(block, frame);
  const json = block.u8.toString("utf8", from, from + bodyLength(block, frame));
  return { offset, ...(JSON.parse(json) as FeedbackRecord) };
}
