/**
 * The figures to reach, and whether they were. Ratios are of two servers measured side by side in one run, so they
 * hold on any machine; what is absolute says of which machine it is.
 */
import { CLOSED_LOADS, type ClosedLoad } from "./loads.ts";

export interface Target {
  /** Of the table of figures in docs/performance.md. */
  readonly row: number;
  readonly figure: string;
  readonly unit: "x" | "µs" | "ms" | "MB" | "B" | "/s";
  readonly direction: "at least" | "at most";
  readonly must: number;
  readonly stretch?: number;
}

export interface Verdict extends Target {
  /** null = not measured. */
  readonly value: number | null;
  readonly verdict: "stretch reached" | "reached" | "missed" | "not measured";
}

export function judge(target: Target, value: number | null): Verdict {
  const reaches = (bound: number | undefined) =>
    value !== null &&
    bound !== undefined &&
    (target.direction === "at least" ? value >= bound : value <= bound);
  if (value === null || Number.isNaN(value)) return { ...target, value: null, verdict: "not measured" };
  if (reaches(target.stretch)) return { ...target, value, verdict: "stretch reached" };
  return { ...target, value, verdict: reaches(target.must) ? "reached" : "missed" };
}

/** What the gateway is compared with: two other brokers, itself without a store, and the least that is durable. */
export const YARDSTICKS = ["mosquitto", "aedes", "nostore", "seglog"] as const;
export type Yardstick = (typeof YARDSTICKS)[number];

/** No figure to reach against `seglog`: it is a limit, and says how far away that is. */
const RATIOS: Record<
  Exclude<Yardstick, "seglog">,
  { row: number; bounds: Record<ClosedLoad, [must: number, stretch: number]> }
> = {
  mosquitto: { row: 1, bounds: { "1x100": [1.2, 1.6], "20x100": [4, 6], "200x1": [0.75, 1] } },
  aedes: { row: 2, bounds: { "1x100": [1.3, 2], "20x100": [6, 10], "200x1": [1.8, 2.5] } },
  nostore: { row: 3, bounds: { "1x100": [0.35, 0.5], "20x100": [0.6, 0.75], "200x1": [0.6, 0.75] } },
};

export function ratioTargets(yardstick: Yardstick): readonly (Target & { readonly load: ClosedLoad })[] {
  if (yardstick === "seglog") return [];
  const { row, bounds } = RATIOS[yardstick];
  return CLOSED_LOADS.map((load) => {
    const [must, stretch] = bounds[load];
    return {
      row,
      load,
      figure: `${load} against ${yardstick}`,
      unit: "x",
      direction: "at least",
      must,
      stretch,
    };
  });
}

/** An acknowledgement may wait for the linger, and for its group's flush with some of the one before. */
const FLUSHES_PER_ACK = 1.3;

export const pacedAckTarget = (lingerMs: number, flushMicros: number): Target => ({
  row: 4,
  figure: "ack p50 at 1,000/s",
  unit: "µs",
  direction: "at most",
  must: Math.round(lingerMs * 1000 + FLUSHES_PER_ACK * flushMicros),
});

export const PACED_CPU_TARGET: Target = {
  row: 4,
  figure: "CPU per message at 1,000/s",
  unit: "µs",
  direction: "at most",
  must: 250,
  stretch: 150,
};

export const FOOTPRINT_TARGETS = {
  idleMegabytes: { row: 6, figure: "idle RSS", unit: "MB", direction: "at most", must: 85, stretch: 70 },
  moduleMegabytes: {
    row: 7,
    figure: "each further module, own memory and image apart",
    unit: "MB",
    direction: "at most",
    must: 9,
    stretch: 8,
  },
  firstMessageMs: { row: 12, figure: "start to first message", unit: "ms", direction: "at most", must: 1000 },
  poisonMs: { row: 12, figure: "pause after a poison record", unit: "ms", direction: "at most", must: 5 },
  restartMs: { row: 12, figure: "worker restarted", unit: "ms", direction: "at most", must: 50 },
} as const satisfies Record<string, Target>;

/** Of ten thousand connections. */
export const CONNECTION_TARGETS = {
  plainMegabytes: { row: 8, figure: "plain, RSS", unit: "MB", direction: "at most", must: 180, stretch: 150 },
  tlsMegabytes: { row: 8, figure: "TLS, RSS", unit: "MB", direction: "at most", must: 450 },
  tlsConnects: { row: 9, figure: "TLS connects", unit: "/s", direction: "at least", must: 1000 },
  othersMs: { row: 9, figure: "ack p99 of others meanwhile", unit: "ms", direction: "at most", must: 20 },
} as const satisfies Record<string, Target>;

/** Processor time of the gateway per message over AMQP. */
export const AMQP_TARGETS = {
  inMicros: { row: 10, figure: "AMQP: in", unit: "µs", direction: "at most", must: 20, stretch: 15 },
  inAndOutMicros: {
    row: 10,
    figure: "AMQP: in and out",
    unit: "µs",
    direction: "at most",
    must: 50,
    stretch: 40,
  },
} as const satisfies Record<string, Target>;

/** At the block device, of a message of 300 B. */
export const WEAR_TARGETS = {
  loneBytes: {
    row: 5,
    figure: "disk, lone message",
    unit: "B",
    direction: "at most",
    must: 8192,
    stretch: 5120,
  },
  loadBytes: {
    row: 5,
    figure: "disk, at load through a module",
    unit: "B",
    direction: "at most",
    must: 600,
    stretch: 400,
  },
  twoModulesBytes: {
    row: 5,
    figure: "disk, at load through two modules",
    unit: "B",
    direction: "at most",
    must: 700,
    stretch: 450,
  },
} as const satisfies Record<string, Target>;

/** Of a paced load, while something else goes on. */
export const DISTURBANCE_TARGETS = {
  checkpointMs: {
    row: 13,
    figure: "ack p99 during a checkpoint",
    unit: "ms",
    direction: "at most",
    must: 20,
  },
  applyMs: {
    row: 13,
    figure: "ack p99 while an artifact is verified",
    unit: "ms",
    direction: "at most",
    must: 20,
  },
} as const satisfies Record<string, Target>;
