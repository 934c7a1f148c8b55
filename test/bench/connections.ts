/** What connections cost that do nothing, plain and over TLS, and how quickly a site comes back. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { BenchError } from "./bench-error.ts";
import { IdleClients } from "./idle-clients.ts";
import { memoryOf, type Memory } from "./process-memory.ts";
import { WholeGateway } from "./whole-gateway.ts";
import { CONNECTION_TARGETS, judge, type Verdict } from "./targets.ts";

/** What connecting left behind is collected, and pages are given back, some time after. */
const SETTLE_MS = 3_000;
/** Files of the gateway that are no connection. */
const OTHER_FILES = 256;
/** Of the accounts in /proc/PID/stat. */
const TICKS_PER_SECOND = 100;
const MEGABYTE = 1024 * 1024;

export interface ConnectionsPlan {
  readonly connections: number;
  /** Over which processor time is taken, ms. */
  readonly idleMs: number;
  /** The caller's; takes the stores. */
  readonly folder: string;
}

export const CONNECTIONS_PLAN = { connections: 10_000, idleMs: 60_000 } as const;
export const QUICK_CONNECTIONS = { connections: 20, idleMs: 500 } as const;

export interface TransportFigures {
  readonly before: Memory;
  readonly memory: Memory;
  readonly connectsPerSecond: number;
  /** Of one processor, while every client pings once a minute. */
  readonly idlePercent: number;
}

export interface ConnectionsReport {
  readonly connections: number;
  readonly plain: TransportFigures;
  readonly tls: TransportFigures;
  readonly targets: readonly Verdict[];
  readonly faults: readonly string[];
}

/** @throws {BenchError} SP_BENCH_FILES: the machine's limit on open files is too low */
export async function connectionsReport(
  plan: ConnectionsPlan,
  progress: (line: string) => void,
): Promise<ConnectionsReport> {
  requireFiles(plan.connections + OTHER_FILES, readFileSync("/proc/self/limits", "utf8"));
  const faults: string[] = [];
  const plain = await transportFigures(plan, false, faults, progress);
  const tls = await transportFigures(plan, true, faults, progress);
  const isWhole = plan.connections === CONNECTIONS_PLAN.connections;
  const targets = [
    judge(CONNECTION_TARGETS.plainMegabytes, isWhole ? plain.memory.rssBytes / MEGABYTE : null),
    judge(CONNECTION_TARGETS.tlsMegabytes, isWhole ? tls.memory.rssBytes / MEGABYTE : null),
    judge(CONNECTION_TARGETS.tlsConnects, isWhole ? tls.connectsPerSecond : null),
  ];
  return { connections: plan.connections, plain, tls, targets, faults };
}

/** A gateway of its own for each: what the first has left in the heap is not the second's. */
async function transportFigures(
  { connections, idleMs, folder }: ConnectionsPlan,
  isSecure: boolean,
  faults: string[],
  progress: (line: string) => void,
): Promise<TransportFigures> {
  const name = isSecure ? "TLS" : "plain";
  await using gateway = await WholeGateway.init(folder);
  await gateway.start();
  progress(`${name}: ${connections} devices are registered`);
  const logins = await gateway.addDevices(connections);
  // Registering has left more behind than connections do.
  await gateway.stop();
  await gateway.start();
  await delay(SETTLE_MS);
  const before = memoryOf(gateway.pid);
  progress(`${name}: they connect`);
  using clients = new IdleClients();
  const tookMs = await clients.connect(isSecure ? gateway.tlsPort : gateway.port, isSecure, logins);
  await delay(SETTLE_MS);
  const memory = memoryOf(gateway.pid);
  progress(`${name}: they are idle`);
  const begun = processorSeconds(gateway.pid);
  await delay(idleMs);
  const idlePercent = ((processorSeconds(gateway.pid) - begun) / (idleMs / 1000)) * 100;
  if (clients.lost > 0) faults.push(`${name}: ${clients.lost} idle connections ended`);
  return { before, memory, connectsPerSecond: connections / (tookMs / 1000), idlePercent };
}

/** `limits`: text of /proc/PID/limits; a child has the same. @throws {BenchError} SP_BENCH_FILES */
export function requireFiles(needed: number, limits: string): void {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? "0";
  if (soft === "unlimited" || Number(soft) >= needed) return;
  throw new BenchError("SP_BENCH_FILES", `${soft} files may be open, and ${needed} are needed`, {
    hint: `ulimit -n ${needed}`,
  });
}

function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Behind the name, which may hold anything: user and system time are the 14th and 15th field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
