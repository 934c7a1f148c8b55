/**
 * What a message over AMQP costs the gateway, of processor time: taken in and durable; and taken in, durable, delivered
 * to a consumer and settled. By the scheduler's accounts of the gateway's process.
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { AmqpConsumer, AmqpProducer, reached, type AmqpLogin } from "./amqp-client.ts";
import type { Client } from "./credentials.ts";
import { GATEWAY_ID, routesIntoLog, routesThrough, startGateway, type Gateway } from "./gateway.ts";
import { runningMicros } from "./profile.ts";
import { median } from "./statistics.ts";
import { AMQP_TARGETS, judge, type Verdict } from "./targets.ts";

const PRODUCERS = 4;
/** Messages of each that are not settled. */
const WINDOW = 100;
/** For the last messages to be delivered, ms. */
const DRAIN_MS_MAX = 20_000;

export interface AmqpCostPlan {
  readonly rounds: number;
  readonly warmupMs: number;
  readonly measuredMs: number;
  /** The caller's; takes the stores. */
  readonly folder: string;
}

export const AMQP_COST_PLAN = { rounds: 3, warmupMs: 4_000, measuredMs: 5_000 } as const;
export const QUICK_AMQP_COST = { rounds: 1, warmupMs: 200, measuredMs: 500 } as const;

export interface AmqpCost {
  readonly messagesPerSecond: number;
  /** Of all threads; median of the rounds. */
  readonly cpuMicros: number;
  /** Of the hub's thread alone. */
  readonly hubMicros: number;
}

export interface AmqpCostReport {
  readonly in: AmqpCost;
  readonly inAndOut: AmqpCost;
  readonly targets: readonly Verdict[];
  readonly faults: readonly string[];
}

export async function amqpCostReport(
  plan: AmqpCostPlan,
  progress: (line: string) => void,
): Promise<AmqpCostReport> {
  const faults: string[] = [];
  progress("AMQP: in");
  const inward = await costOf(plan, false, faults);
  progress("AMQP: in and out");
  const inAndOut = await costOf(plan, true, faults);
  const isWhole = plan.measuredMs >= AMQP_COST_PLAN.measuredMs;
  const targets = [
    judge(AMQP_TARGETS.inMicros, isWhole ? inward.cpuMicros : null),
    judge(AMQP_TARGETS.inAndOutMicros, isWhole ? inAndOut.cpuMicros : null),
  ];
  return { in: inward, inAndOut, targets, faults };
}

async function costOf(plan: AmqpCostPlan, isDelivered: boolean, faults: string[]): Promise<AmqpCost> {
  const folder = mkdtempSync(join(plan.folder, "amqp-"));
  const routes = isDelivered ? routesThrough([]) : routesIntoLog;
  const gateway = await startGateway(folder, { devices: PRODUCERS, modules: [], routes, isAmqp: true });
  try {
    return await underLoad(plan, gateway, isDelivered, faults);
  } finally {
    await gateway.stop();
  }
}

async function underLoad(
  { rounds, warmupMs, measuredMs }: AmqpCostPlan,
  gateway: Gateway,
  isDelivered: boolean,
  faults: string[],
): Promise<AmqpCost> {
  const { amqpPort, devices, sink } = gateway;
  const consumer = isDelivered ? new AmqpConsumer(amqpPort, loginOf(sink)) : null;
  const producers = devices.map((device) => new AmqpProducer(amqpPort, loginOf(device), WINDOW));
  const taken = (): number => producers.reduce((sum, { accepted }) => sum + accepted, 0);
  await reached("accepted", () => taken() > 0, DRAIN_MS_MAX);
  await delay(warmupMs);
  const samples: AmqpCost[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = { messages: taken(), ...cpuOf(gateway), atMs: performance.now() };
    await delay(measuredMs);
    const to = { messages: taken(), ...cpuOf(gateway), atMs: performance.now() };
    const messages = to.messages - from.messages;
    samples.push({
      messagesPerSecond: (messages * 1000) / (to.atMs - from.atMs),
      cpuMicros: (to.all - from.all) / messages,
      hubMicros: (to.hub - from.hub) / messages,
    });
  }
  for (const producer of producers) producer.stop();
  const sent = (): number => producers.reduce((sum, producer) => sum + producer.sent, 0);
  await reached("accepted all", () => taken() === sent(), DRAIN_MS_MAX);
  if (consumer !== null) await reached("delivered all", () => consumer.received >= sent(), DRAIN_MS_MAX);
  if (consumer !== null && consumer.received > sent())
    faults.push(`${consumer.received} delivered of ${sent()}`);
  for (const client of consumer === null ? producers : [...producers, consumer]) {
    faults.push(...client.faults.map((fault) => `AMQP: ${fault}`));
    client[Symbol.dispose]();
  }
  return {
    messagesPerSecond: median(samples.map((sample) => sample.messagesPerSecond)),
    cpuMicros: median(samples.map((sample) => sample.cpuMicros)),
    hubMicros: median(samples.map((sample) => sample.hubMicros)),
  };
}

/** µs of the whole process, and of the hub's thread, since they began. */
function cpuOf({ pid, threads }: Gateway): { readonly all: number; readonly hub: number } {
  const running = runningMicros(pid);
  const hub = threads.find(([, name]) => name === "hub")?.[0] ?? -1;
  return { all: [...running.values()].reduce((sum, micros) => sum + micros, 0), hub: running.get(hub) ?? 0 };
}

/** What an MQTT client's name and password are over AMQP. */
function loginOf({ clientId, password }: Client): AmqpLogin {
  const path = clientId.replace("/", "/modules/");
  return { user: `${path}@sas.${GATEWAY_ID}`, token: password, address: `/devices/${path}/messages/events` };
}
