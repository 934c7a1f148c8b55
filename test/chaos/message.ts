/**
 * What a device sends in a chaos run. A message carries its way through the gateway as properties, so that what
 * must become of it follows from the message alone, whenever it was taken and whatever happened since.
 */

/** The ways a message can take; each is a different part of the gateway. See `topology.ts` for the routes. */
export const PATHS = ["log", "count", "fan", "rebuild", "picky", "chain", "direct"] as const;
export type Path = (typeof PATHS)[number];

export const URGENCIES = ["high", "low"] as const;
export type Urgency = (typeof URGENCIES)[number];

export interface ChaosMessage {
  readonly device: string;
  /** Counts from 0 for each device. */
  readonly sequence: number;
  readonly path: Path;
  readonly urgency: Urgency;
  /** The module on its way traps on it. On the path "picky" alone. */
  readonly isPoison: boolean;
  /** Length of the body. */
  readonly bytes: number;
}

/** What names a message in a body: its device and sequence number. */
export interface Place {
  readonly device: string;
  readonly sequence: number;
}

const FILLER = "abcdefghijklmnopqrstuvwxyz0123456789";

/** The topic on which its device publishes it. */
export function topicOf({ device, path, urgency, isPoison }: ChaosMessage): string {
  const properties = `device=${device}&path=${path}&urgency=${urgency}${isPoison ? "&poison=yes" : ""}`;
  return `devices/${device}/messages/events/${properties}`;
}

/** The same bytes whenever it is asked for: what arrives is compared with it, whole. */
export function bodyOf({ device, sequence, bytes }: ChaosMessage): string {
  const head = `${device}:${sequence}:`;
  const at = sequence % FILLER.length;
  const filler = FILLER.slice(at) + FILLER.slice(0, at);
  return head + filler.repeat(Math.ceil(bytes / filler.length)).slice(0, Math.max(0, bytes - head.length));
}

export function placeOf(body: string): Place {
  const [device = "", sequence] = body.slice(0, 64).split(":");
  return { device, sequence: Number(sequence) };
}

export const keyOf = ({ device, sequence }: Place): string => `${device}:${sequence}`;
