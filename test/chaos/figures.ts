/** What a chaos run comes to: sums over its stores, and the one line they are told in. */
import type { Breach } from "./checker.ts";
import type { History } from "./history.ts";

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
  /** Messages that devices sent again. */
  readonly resends: number;
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
  resends: 0,
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
  const sent = history.devices.flatMap(({ messages }) => messages);
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
    resends: sum.resends + sent.reduce((total, { sentIn }) => total + sentIn.length - 1, 0),
    recoveryMsMax: Math.max(sum.recoveryMsMax, recoveryMsMax),
  };
}

export const isClean = ({ lost, doubled, other }: Figures): boolean => lost + doubled + other === 0;

export function figuresLine(figures: Figures): string {
  const { rounds, acknowledged, delivered, lost, doubled, other, resends, recoveryMsMax, seed, backend } =
    figures;
  return (
    `${rounds} rounds on ${backend}: ${acknowledged} acknowledged, ${delivered} delivered, ${lost} lost, ` +
    `${doubled} doubled, ${other} other breaches, ${resends} resends, ` +
    `recovery at most ${recoveryMsMax.toFixed(0)} ms, seed ${seed}`
  );
}
