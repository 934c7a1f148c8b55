/**
 * What clients saw of a gateway that was killed again and again: the only thing that the judge (`checker.ts`)
 * gets to see. Rounds are the gateway's lives, from 0.
 */
import type { ChaosMessage, Place } from "./message.ts";

/** What befell one message, as its device saw it. */
export interface SentMessage {
  readonly message: ChaosMessage;
  /** Rounds in which it was sent: once for each time. */
  readonly sentIn: number[];
  /** Round of its acknowledgement; null while there is none. */
  ackedIn: number | null;
}

/** Something that no server may do, seen as it happened. */
export interface Fault {
  readonly round: number;
  readonly what: string;
}

export interface DeviceHistory {
  readonly id: string;
  /** By sequence number. */
  readonly messages: readonly SentMessage[];
  /** In the order of its acknowledgements. */
  readonly acked: readonly number[];
  readonly faults: readonly Fault[];
  /** How many were in flight, summed over all ends of its connections. */
  readonly inFlightAtCuts: number;
}

/** An entry of the event log. */
export interface LoggedEvent extends Place {
  readonly offset: number;
  readonly uid: string;
  /** `module/output`; null when a device sent it. */
  readonly output: string | null;
  readonly body: string;
}

/** What reached the network consumer. */
export interface Delivery extends Place {
  readonly round: number;
  /** Which of the consumer's connections in that round, from 0. */
  readonly connection: number;
  readonly body: string;
  /** Flagged as delivered before. */
  readonly isRepeat: boolean;
  /** Dealt with and acknowledged: what it lost before that does not count. */
  isDone: boolean;
}

export interface ConsumerHistory {
  /** In order, over all its connections. */
  readonly deliveries: readonly Delivery[];
  /** By message: how often a delivery was not known to be settled when a connection ended. */
  readonly unsettledAtCuts: ReadonlyMap<string, number>;
  readonly faults: readonly Fault[];
}

export interface DeadMessage extends Place {
  readonly uid: string;
  readonly endpoint: string;
}

export interface History {
  readonly devices: readonly DeviceHistory[];
  readonly consumer: ConsumerHistory;
  /** The event log at the end. */
  readonly log: readonly LoggedEvent[];
  /** What readers of the log saw while it grew: offset to uid. */
  readonly observed: ReadonlyMap<number, string>;
  readonly deadLetters: readonly DeadMessage[];
  /** By module, then by device. */
  readonly counters: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** The gateway's last life, which ends in peace. */
  readonly lastRound: number;
  /** Redeliveries that the gateway counted in it; null when it did not come to that. */
  readonly redelivered: number | null;
  /** Anything the harness itself saw go wrong: a gateway that did not come up, a queue that never drained. */
  readonly faults: readonly Fault[];
}
