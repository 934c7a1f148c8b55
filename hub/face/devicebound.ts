/** The part of the hub's face that is about cloud-to-device messages, and what became of them (contract §9). */
import type { EventRecord, LogQuery } from "../face.ts";

export const ACKS = ["none", "positive", "negative", "full"] as const;
/** Of what ends a sender wants to hear: of none, of success, of failure, of either. */
export type Ack = (typeof ACKS)[number];

export const DEVICEBOUND_LIMITS = {
  /** Of one device, not settled. */
  messagesMax: 50,
  /** Body and properties of one message. */
  bytesMax: 64 * 1024,
  /** Seconds that a message may wait. */
  timeToLiveSecs: { min: 60, max: 2 * 24 * 3600, default: 3600 },
} as const;

export interface DeviceboundMessage {
  readonly body: Uint8Array;
  /** Absent: the hub makes one. */
  readonly messageId?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly userId?: string | undefined;
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly properties?: Readonly<Record<string, string>> | undefined;
  readonly ack?: Ack | undefined;
  /** How long it may wait, in time as the store counts it (J31). Not together with `expiry`. */
  readonly timeToLiveSecs?: number | undefined;
  /** Until when it may wait, by the wall clock: RFC 3339. The device sees it. */
  readonly expiry?: string | undefined;
}

export interface DeviceboundSent {
  readonly messageId: string;
  readonly enqueuedTime: string;
  /** Messages that wait for the device now, this one included. */
  readonly waiting: number;
}

export interface DeviceboundWaiting {
  readonly messageId: string;
  readonly ack: Ack;
  /** Hand-overs that it was not completed in, the one under way included. */
  readonly deliveryCount: number;
  /** Until its time to live ends. */
  readonly expiresInMs: number;
  readonly message: EventRecord;
}

export type FeedbackStatus = "Success" | "Expired" | "DeliveryCountExceeded" | "Rejected" | "Purged";

export interface FeedbackRecord {
  readonly originalMessageId: string;
  /** When the message ended. */
  readonly enqueuedTimeUtc: string;
  readonly statusCode: FeedbackStatus;
  readonly description: string;
  readonly deviceId: string;
  readonly deviceGenerationId: string;
}

export interface FeedbackPage {
  readonly records: readonly (FeedbackRecord & { readonly offset: number })[];
  /** Where to read on. */
  readonly next: number;
  /** The oldest offset still kept. */
  readonly oldest: number;
}

export interface DeviceboundFace {
  /**
   * Durable when it resolves: the message waits for the device, wherever that is.
   * @throws SP_C2D_MESSAGE, SP_C2D_FULL, SP_C2D_MODULE, SP_IDENTITY_UNKNOWN
   */
  sendDevicebound(deviceId: string, message: DeviceboundMessage): Promise<DeviceboundSent>;
  /** What waits for a device, oldest first. @throws SP_C2D_MODULE, SP_IDENTITY_UNKNOWN */
  devicebound(deviceId: string): Promise<readonly DeviceboundWaiting[]>;
  /** Gives up all of it, what the device has in hand included. Durable when it resolves. @throws as `devicebound` */
  purgeDevicebound(deviceId: string): Promise<{ readonly purged: number }>;
  /** What became of messages whose senders wanted to know. Waits up to `waitMs` when there is nothing new. */
  readFeedback(query: LogQuery): Promise<FeedbackPage>;
}
