/**
 * One run of the load generator: options in, figures out. `load/options.c` says what each option means,
 * `load/report.c` what each figure is.
 */
import { execFile } from "node:child_process";
import { BenchError } from "./bench-error.ts";
import { compiled } from "./compile.ts";

/** What is sent how fast. */
export interface LoadShape {
  readonly publishers: number;
  /** Unacknowledged messages per publisher. */
  readonly window: number;
  /** Messages per second of all publishers together; absent = as fast as the windows allow. */
  readonly rate?: number;
  /** Who gets every message; 1 unless said otherwise. */
  readonly subscribers?: number;
  /** Sent by all publishers together, each as many; the run ends when they are acknowledged and delivered. */
  readonly messages?: number;
  /** Nobody publishes: the subscriber gets what as many `messages` of an earlier run, by as many publishers, left. */
  readonly backlog?: number;
  /** Whether `ackP99BySecond` is reported. */
  readonly timeline?: boolean;
  /** Seconds under load before anything counts, when the run says fewer. */
  readonly warmupMin?: number;
}

export interface LoadTarget {
  readonly port: number;
  readonly pid?: number;
  /** Files of identities, see `load/identity.h`. Absent = plain names and topics, no credentials. */
  readonly publisherIdentities?: string;
  readonly subscriberIdentities?: string;
  /** Where written bytes are counted: a block device's `stat`, or `/proc/PID/io`. */
  readonly disk?: string;
}

export interface LoadTimes {
  readonly warmup: number;
  readonly secs: number;
  readonly drain?: number;
}

export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoadResult {
  readonly seconds: number;
  readonly sent: number;
  readonly acked: number;
  readonly received: number;
  readonly unacked: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
  readonly badPayloads: number;
  readonly strayAcks: number;
  readonly stale: number;
  readonly skipped: number;
  readonly disconnected: number;
  readonly ackedPerSecond: number;
  readonly receivedPerSecond: number;
  readonly ackMicros: Latency;
  readonly endToEndMicros: Latency;
  readonly serverCpuMicrosPerMessage: number;
  readonly generatorCpuMicrosPerMessage: number;
  readonly diskBytesPerMessage: number;
  /** When the measured time began, in the clock of `process.hrtime`. */
  readonly measuredFromMicros: number;
  /** Of the acknowledgements that came in each measured second; 0 = none came. */
  readonly ackP99BySecond?: readonly number[];
}

const EXIT_INTACT = 0;
const EXIT_BROKEN = 3;
const PAYLOAD_BYTES = 300;
const DRAIN_SECONDS = 10;
/** Beyond warm-up, measurement and drain: connecting, and a machine that is slow to start anything. */
const PATIENCE_SECONDS = 30;

const FAULTS = [
  "unacked",
  "lost",
  "duplicates",
  "outOfOrder",
  "badPayloads",
  "strayAcks",
  "skipped",
  "disconnected",
] as const satisfies readonly (keyof LoadResult)[];

/** What a result has against its server, as "lost 3"; empty when all arrived once, in order and intact. */
export const faultsOf = (result: LoadResult): readonly string[] =>
  FAULTS.filter((name) => result[name] > 0).map((name) => `${name} ${result[name]}`);

/**
 * Resolves also when messages were lost or broken: see `faultsOf`.
 * @throws {BenchError} SP_BENCH_LOAD when there is nothing to report, SP_BENCH_COMPILER
 */
export async function runLoad(target: LoadTarget, shape: LoadShape, times: LoadTimes): Promise<LoadResult> {
  const { stdout, stderr, status } = await execute(
    compiled("load"),
    loadArguments(target, shape, times),
    (times.warmup + times.secs + (times.drain ?? DRAIN_SECONDS) + PATIENCE_SECONDS) * 1000,
  );
  if (status !== EXIT_INTACT && status !== EXIT_BROKEN) {
    throw new BenchError("SP_BENCH_LOAD", stderr.trim() || `load: ended with ${String(status)}`);
  }
  return JSON.parse(stdout) as LoadResult;
}

function loadArguments(target: LoadTarget, shape: LoadShape, times: LoadTimes): string[] {
  const options: Record<string, string | number | undefined> = {
    "--port": target.port,
    "--pid": target.pid,
    "--publisher-identities": target.publisherIdentities,
    "--subscriber-identities": target.subscriberIdentities,
    "--disk": target.disk,
    "--publishers": shape.publishers,
    "--window": shape.window,
    "--rate": shape.rate,
    "--subscribers": shape.subscribers,
    "--messages": shape.messages,
    "--backlog": shape.backlog,
    "--timeline": shape.timeline === true ? 1 : undefined,
    "--size": PAYLOAD_BYTES,
    "--warmup": times.warmup,
    "--secs": times.secs,
    "--drain": times.drain ?? DRAIN_SECONDS,
  };
  return Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [name, String(value)],
  );
}

interface Execution {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit code, or what ended it. */
  readonly status: number | string;
}

function execute(file: string, args: readonly string[], timeoutMs: number): Promise<Execution> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: timeoutMs }, (error, stdout, stderr) => {
      const status = error === null ? 0 : (error.code ?? error.signal ?? error.message);
      resolve({ stdout, stderr, status });
    });
  });
}
