/**
 * What connections cost that do nothing, plain and over TLS, and how quickly a site comes back; what the devices that
 * stayed notice of it; and what a message over AMQP costs.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  AMQP_COST_PLAN,
  amqpCostReport,
  QUICK_AMQP_COST,
  type AmqpCostPlan,
  type AmqpCostReport,
} from "./amqp-cost.ts";
import { BenchError } from "./bench-error.ts";
import { writeClients, type Client } from "./credentials.ts";
import { disturbanceOf, during, nowMicros, pacedLoad, type Disturbance } from "./disturbance.ts";
import { IdleClients } from "./idle-clients.ts";
import { faultsOf } from "./load.ts";
import { LOADS } from "./loads.ts";
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
  /** Of the load beside which they connect again: before it counts, then before they come, then with them. */
  readonly othersWarmupSecs: number;
  readonly othersCalmSecs: number;
  readonly othersSecs: number;
  readonly amqp: Omit<AmqpCostPlan, "folder">;
  /** The caller's; takes the stores. */
  readonly folder: string;
}

export const CONNECTIONS_PLAN: Omit<ConnectionsPlan, "folder"> = {
  connections: 10_000,
  idleMs: 60_000,
  othersWarmupSecs: 8,
  othersCalmSecs: 5,
  othersSecs: 30,
  amqp: AMQP_COST_PLAN,
};
/** Whether it runs: too little for figures. */
export const QUICK_CONNECTIONS: typeof CONNECTIONS_PLAN = {
  connections: 40,
  idleMs: 500,
  othersWarmupSecs: 0.2,
  othersCalmSecs: 1,
  othersSecs: 3,
  amqp: QUICK_AMQP_COST,
};

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
  /** Acknowledgements of devices that stay, while the others connect over TLS; null = no second was without. */
  readonly others: Disturbance | null;
  readonly amqp: AmqpCostReport;
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
  const others = await othersMeanwhile(plan, faults, progress);
  const amqp = await amqpCostReport({ ...plan.amqp, folder: plan.folder }, progress);
  const isWhole = plan.connections === CONNECTIONS_PLAN.connections;
  const targets = [
    judge(CONNECTION_TARGETS.plainMegabytes, isWhole ? plain.memory.rssBytes / MEGABYTE : null),
    judge(CONNECTION_TARGETS.tlsMegabytes, isWhole ? tls.memory.rssBytes / MEGABYTE : null),
    judge(CONNECTION_TARGETS.tlsConnects, isWhole ? tls.connectsPerSecond : null),
    judge(CONNECTION_TARGETS.othersMs, isWhole && others !== null ? others.disturbedP99Micros / 1000 : null),
    ...amqp.targets,
  ];
  const { connections } = plan;
  return { connections, plain, tls, others, amqp, targets, faults: [...faults, ...amqp.faults] };
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
  const logins = await registered(gateway, connections, (line) => progress(`${name}: ${line}`));
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

/** Started anew after it: registering leaves more behind than connections do. */
async function registered(
  gateway: WholeGateway,
  devices: number,
  progress: (line: string) => void,
): Promise<readonly Client[]> {
  await gateway.start();
  progress(`${devices} devices are registered`);
  const logins = await gateway.addDevices(devices);
  await gateway.stop();
  await gateway.start();
  return logins;
}

/** Some devices send at an ordinary pace, through a module, while all others connect over TLS. */
async function othersMeanwhile(
  { connections, othersWarmupSecs, othersCalmSecs, othersSecs, folder }: ConnectionsPlan,
  faults: string[],
  progress: (line: string) => void,
): Promise<Disturbance | null> {
  await using gateway = await WholeGateway.init(folder);
  const logins = await registered(gateway, connections, (line) => progress(`others: ${line}`));
  await gateway.deploy(1);
  const { publishers } = LOADS.paced;
  const target = {
    port: gateway.port,
    publisherIdentities: writeClients(join(folder, "others"), logins.slice(0, publishers)),
  };
  progress("others: they send while the rest connects");
  using clients = new IdleClients();
  const observed = await during(pacedLoad(target, othersSecs, othersWarmupSecs, 0), async () => {
    await delay((othersWarmupSecs + othersCalmSecs) * 1000);
    const begun = nowMicros();
    await clients.connect(gateway.tlsPort, true, logins.slice(publishers));
    return [[begun, nowMicros()]];
  });
  faults.push(...faultsOf(observed.result).map((fault) => `others: ${fault}`));
  return disturbanceOf(observed);
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
