/**
 * From samples to a report: medians, ratios, verdicts. Pure. A sample that lost or broke a message is no sample: it is
 * reported as a fault and left out of every figure.
 */
import { faultsOf } from "./load.ts";
import { CLOSED_LOADS, LOAD_NAMES, LOADS, type ClosedLoad, type LoadName } from "./loads.ts";
import type { Measurement, Sample } from "./rounds.ts";
import { median, spread } from "./statistics.ts";
import {
  judge,
  PACED_CPU_TARGET,
  pacedAckTarget,
  ratioTargets,
  YARDSTICKS,
  type Verdict,
  type Yardstick,
} from "./targets.ts";

/** The peer that everything is a ratio to. */
export const SUBJECT = "sandpiper";

/** Medians over the rounds. */
export interface Absolute {
  readonly rounds: number;
  /** Delivered, durably where the server promises that. */
  readonly messagesPerSecond: number;
  /** Of the server, all threads. */
  readonly cpuMicrosPerMessage: number;
  readonly ackMicros: { readonly p50: number; readonly p99: number };
  readonly endToEndMicros: { readonly p50: number; readonly p99: number };
  /** At the block device, by whomever. */
  readonly diskBytesPerMessage: number;
}

type Ratios<T> = Readonly<Record<Yardstick, Readonly<Record<ClosedLoad, T | null>>>>;

export interface EndToEndReport {
  /** Rate of the gateway by that of the other: median of the rounds' ratios, null where one was not measured. */
  readonly ratios: Ratios<number>;
  /** Smallest and largest of the rounds' ratios. */
  readonly spread: Ratios<readonly [min: number, max: number]>;
  readonly absolute: Readonly<Record<string, Partial<Record<LoadName, Absolute>>>>;
  readonly paced: {
    readonly messagesPerSecond: number;
    readonly lingerMs: number;
    readonly flushMicros: number;
    readonly ackP50Micros: number | null;
    readonly ackP99Micros: number | null;
    readonly cpuMicrosPerMessage: number | null;
  };
  readonly targets: readonly Verdict[];
  /** Such as "aedes 20x100, round 2: lost 3". */
  readonly faults: readonly string[];
}

export function endToEndReport(
  { samples, failures, flushMicros }: Measurement,
  lingerMs: number,
): EndToEndReport {
  const intact = samples.filter(({ result }) => faultsOf(result).length === 0);
  const quotients = (yardstick: Yardstick, load: ClosedLoad) => ratiosByRound(intact, yardstick, load);
  const absolute = absoluteFigures(intact);
  const paced = absolute[SUBJECT]?.paced;
  const ratioVerdicts = YARDSTICKS.flatMap((yardstick) =>
    ratioTargets(yardstick).map(({ load, ...target }) =>
      judge(target, medianOrNull(quotients(yardstick, load))),
    ),
  );
  return {
    ratios: byYardstick((yardstick, load) => medianOrNull(quotients(yardstick, load))),
    spread: byYardstick((yardstick, load) => {
      const values = quotients(yardstick, load);
      return values.length === 0 ? null : spread(values);
    }),
    absolute,
    paced: {
      messagesPerSecond: LOADS.paced.rate,
      lingerMs,
      flushMicros,
      ackP50Micros: paced?.ackMicros.p50 ?? null,
      ackP99Micros: paced?.ackMicros.p99 ?? null,
      cpuMicrosPerMessage: paced?.cpuMicrosPerMessage ?? null,
    },
    targets: [
      ...ratioVerdicts,
      judge(pacedAckTarget(lingerMs, flushMicros), paced?.ackMicros.p50 ?? null),
      judge(PACED_CPU_TARGET, paced?.cpuMicrosPerMessage ?? null),
    ],
    faults: [...failures, ...samples.flatMap(describeFaults)],
  };
}

function describeFaults({ peer, load, round, result }: Sample): string[] {
  const faults = faultsOf(result);
  return faults.length === 0 ? [] : [`${peer} ${load}, round ${round}: ${faults.join(", ")}`];
}

/** Within a round the two ran seconds apart: what disturbed one is likely to have disturbed the other. */
function ratiosByRound(samples: readonly Sample[], yardstick: Yardstick, load: ClosedLoad): number[] {
  const of = (peer: string) => samples.filter((s) => s.peer === peer && s.load === load);
  const theirs = new Map(of(yardstick).map((s) => [s.round, s.result.receivedPerSecond]));
  return of(SUBJECT).flatMap(({ round, result }) => {
    const other = theirs.get(round);
    return other === undefined ? [] : [result.receivedPerSecond / other];
  });
}

const medianOrNull = (values: readonly number[]): number | null =>
  values.length === 0 ? null : median(values);

function byYardstick<T>(figure: (yardstick: Yardstick, load: ClosedLoad) => T | null): Ratios<T> {
  const row = (yardstick: Yardstick) =>
    Object.fromEntries(CLOSED_LOADS.map((load) => [load, figure(yardstick, load)]));
  return Object.fromEntries(YARDSTICKS.map((yardstick) => [yardstick, row(yardstick)])) as Ratios<T>;
}

function absoluteFigures(samples: readonly Sample[]): EndToEndReport["absolute"] {
  const figures: Record<string, Partial<Record<LoadName, Absolute>>> = {};
  for (const peer of new Set(samples.map((s) => s.peer))) {
    const row: Partial<Record<LoadName, Absolute>> = {};
    for (const load of LOAD_NAMES) {
      const results = samples.filter((s) => s.peer === peer && s.load === load).map((s) => s.result);
      if (results.length > 0) row[load] = absoluteOf(results);
    }
    figures[peer] = row;
  }
  return figures;
}

function absoluteOf(results: readonly Sample["result"][]): Absolute {
  const of = (figure: (result: Sample["result"]) => number) => median(results.map(figure));
  return {
    rounds: results.length,
    messagesPerSecond: of((r) => r.receivedPerSecond),
    cpuMicrosPerMessage: of((r) => r.serverCpuMicrosPerMessage),
    ackMicros: { p50: of((r) => r.ackMicros.p50), p99: of((r) => r.ackMicros.p99) },
    endToEndMicros: { p50: of((r) => r.endToEndMicros.p50), p99: of((r) => r.endToEndMicros.p99) },
    diskBytesPerMessage: of((r) => r.diskBytesPerMessage),
  };
}
