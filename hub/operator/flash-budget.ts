/** What the journal costs the flash that it lies on: bytes per second, per message and per day. Pure. */
import type { FlashUse } from "../face.ts";
import type { StoreWritten } from "../journal/store.ts";

const SECONDS_PER_DAY = 24 * 60 * 60;

/** What was written, and for how many messages, up to some time. */
export interface FlashSample {
  readonly written: StoreWritten;
  /** Taken from devices and modules on the network. */
  readonly messages: number;
}

export const NOTHING_WRITTEN: FlashSample = {
  written: { logBytes: 0, checkpointBytes: 0, flushes: 0, checkpoints: 0 },
  messages: 0,
};

/** What was written between two samples, `seconds` apart. */
export function flashUse(from: FlashSample, to: FlashSample, seconds: number): FlashUse {
  const bytes = bytesOf(to) - bytesOf(from);
  const messages = to.messages - from.messages;
  const bytesPerSecond = bytes / seconds;
  return {
    seconds,
    bytes,
    messages,
    bytesPerSecond,
    bytesPerMessage: messages === 0 ? null : bytes / messages,
    bytesPerDay: bytesPerSecond * SECONDS_PER_DAY,
  };
}

const bytesOf = ({ written }: FlashSample): number => written.logBytes + written.checkpointBytes;
