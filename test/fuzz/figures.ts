/** What a run has done: what was sent, how far it got, how the canaries fared. Counts, their floors, and one line. */
import { DEPTHS, type Depth } from "./answers.ts";
import type { Canary } from "./canary.ts";
import type { Heard } from "./sender.ts";
import { WIRES, type Stream, type Wire } from "./stream.ts";
import { megabytes } from "./target.ts";

export interface WireFigures {
  streams: number;
  /** Ended by the hub. */
  cut: number;
  /** Streams that got so far. */
  readonly depths: Record<Depth, number>;
}

export interface CanaryFigures {
  readonly name: string;
  readonly served: number;
  readonly slowestMs: number;
}

export class Figures {
  readonly wires = Object.fromEntries(
    WIRES.map((wire) => [wire, { streams: 0, cut: 0, depths: noDepths() }]),
  ) as unknown as Readonly<Record<Wire, WireFigures>>;
  /** Pieces by what they were meant to be. */
  readonly pieces: Record<string, number> = {};
  mutatedPieces = 0;

  add({ wire }: Stream, { seen, sent, isCut }: Pick<Heard, "seen" | "sent" | "isCut">): void {
    const figures = this.wires[wire];
    figures.streams++;
    if (isCut) figures.cut++;
    for (const depth of seen) figures.depths[depth]++;
    for (const { kind, isMutated } of sent) {
      this.pieces[kind] = (this.pieces[kind] ?? 0) + 1;
      if (isMutated === true) this.mutatedPieces++;
    }
  }

  get streams(): number {
    return WIRES.reduce((sum, wire) => sum + this.wires[wire].streams, 0);
  }
}

const noDepths = (): Record<Depth, number> =>
  Object.fromEntries(DEPTHS.map((depth) => [depth, 0])) as Record<Depth, number>;

/** Streams of a wire before its depths can be judged. */
const JUDGED_FROM = 40;
/**
 * Percent of a wire's streams that must get so far: a fuzzer that is turned away at the door has tried the door alone.
 * They get two to four times as far; on a machine that is busy, answers come when nobody waits for them any more.
 */
const FLOORS: readonly (readonly [Wire, Depth, number])[] = [
  ["mqtt", "let in", 25],
  ["mqtt", "accepted", 5],
  ["mqtt", "subscribed", 5],
  ["amqp", "let in", 25],
  ["amqp", "attached", 15],
  ["amqp", "accepted", 5],
  ["web-mqtt", "upgraded", 25],
  ["web-mqtt", "let in", 15],
  ["web-amqp", "upgraded", 25],
  ["web-amqp", "attached", 10],
  ["http", "answered", 25],
  ["tls", "answered", 25],
];

/** Where the mutations stopped too early, in words. */
export function shallows({ wires }: Pick<Figures, "wires">): string[] {
  return FLOORS.flatMap(([wire, depth, percent]) => {
    const { streams, depths } = wires[wire];
    const share = (100 * depths[depth]) / streams;
    if (streams < JUDGED_FROM || share >= percent) return [];
    return [`shallow: ${share.toFixed(1)} % of ${wire} streams got to "${depth}", expected ${percent} %`];
  });
}

export interface Outcome {
  readonly figures: Figures;
  readonly canaries: readonly CanaryFigures[];
  readonly peakRiseBytes: number;
  readonly seed: number;
}

export const canaryFigures = ({ name, ledger }: Canary): CanaryFigures => ({
  name,
  served: ledger.served,
  slowestMs: Math.round(ledger.slowestMs),
});

export function figuresLine({ figures, canaries, peakRiseBytes, seed }: Outcome): string {
  const sum = (depth: Depth): number =>
    WIRES.reduce((total, wire) => total + figures.wires[wire].depths[depth], 0);
  const depths = (["let in", "attached", "accepted", "delivered"] as const).map(
    (depth) => `${sum(depth)} ${depth}`,
  );
  const birds = canaries.map(
    ({ name, served, slowestMs }) => `${name} ${served} served, slowest ${slowestMs} ms`,
  );
  return (
    `${figures.streams} streams: ${depths.join(", ")}; ${figures.mutatedPieces} mutated pieces; ` +
    `canaries: ${birds.join("; ")}; memory rose by at most ${megabytes(peakRiseBytes)} MB, seed ${seed}`
  );
}

/** What was sent and how far it got, for people. */
export function figuresTable({ figures }: Pick<Outcome, "figures">): string {
  const rows = WIRES.map((wire) => {
    const { streams, cut, depths } = figures.wires[wire];
    const got = DEPTHS.filter((depth) => depths[depth] > 0).map((depth) => `${depth} ${depths[depth]}`);
    return `${wire}: ${streams} streams, ${cut} ended by the hub; ${got.join(", ")}`;
  });
  const pieces = Object.entries(figures.pieces).map(([kind, count]) => `${kind} ${count}`);
  return [...rows, `sent: ${pieces.join(", ")}`].join("\n");
}
