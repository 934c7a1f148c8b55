/** What a chaos run comes to: sums over its stores, and the one line they are told in. */
import type { Breach } from "./checker.ts";
import type { DeviceHistory, History } from "./history.ts";

export interface Figures {
  readonly rounds: number;
  /** Publishes that devices saw acknowledged. */
  readonly acknowledged: number;
  /** What came out: outputs of modules in the log, and deliveries to the network consumer. */
  readonly delivered: number;
  readonly lost: number;
  readonly doubled: number;
  /** Other breaches: order, offsets, acknowledgements of nothing. */
  readonly other: number;
  /** Messages that devices sent again, beyond those that were in flight when a connection ended. */
  readonly resendsBeyond: number;
  readonly recoveryMsMax: number;
  readonly seed: number;
  readonly backend: string;
}

export const noFigures = (seed: number, backend: string): Figures => ({
  rounds: 0,
  acknowledged: 0,
  delivered: 0,
  lost: 0,
  doubled: 0,
  other: 0,
  resendsBeyond: 0,
  recoveryMsMax: 0,
  seed,
  backend,
});

export interface Part {
  readonly rounds: number;
  readonly history: History;
  readonly breaches: readonly Breach[];
  readonly recoveryMsMax: number;
}

export function withPart(sum: Figures, { rounds, history, breaches, recoveryMsMax }: Part): Figures {
  const sumOf = (kind: Breach["kind"]): number =>
    breaches.filter((breach) => breach.kind === kind).reduce((total, { count }) => total + count, 0);
  return {
    ...sum,
    rounds: sum.rounds + rounds,
    acknowledged: sum.acknowledged + history.devices.reduce((total, { acked }) => total + acked.length, 0),
    delivered:
      sum.delivered +
      history.log.filter(({ output }) => output !== null).length +
      history.consumer.deliveries.length,
    lost: sum.lost + sumOf("lost"),
    doubled: sum.doubled + sumOf("doubled"),
    other: sum.other + sumOf("other"),
    resendsBeyond:
      sum.resendsBeyond + history.devices.reduce((total, each) => total + resendsBeyond(each), 0),
    recoveryMsMax: Math.max(sum.recoveryMsMax, recoveryMsMax),
  };
}

/** A gateway that doubles what it takes must not hide behind a device that sends more than it has to. */
export function resendsBeyond({ messages, inFlightAtCuts }: DeviceHistory): number {
  const resends = messages.reduce((sum, { sentIn }) => sum + sentIn.length - 1, 0);
  return Math.max(0, resends - inFlightAtCuts);
}

export const isClean = ({ lost, doubled, other, resendsBeyond: beyond }: Figures): boolean =>
  lost + doubled + other + beyond === 0;

export function figuresLine(figures: Figures): string {
  const { rounds, acknowledged, delivered, lost, doubled, other, recoveryMsMax, seed, backend } = figures;
  return (
    `${rounds} rounds on ${backend}: ${acknowledged} acknowledged, ${delivered} delivered, ${lost} lost, ` +
    `${doubled} doubled, ${other} other breaches, ` +
    `${figures.resendsBeyond} resends beyond what was in flight, ` +
    `recovery at most ${recoveryMsMax.toFixed(0)} ms, seed ${seed}`
  );
}
