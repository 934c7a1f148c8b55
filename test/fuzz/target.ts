/** The hub under fuzz: a process of its own with every plain listener and one for TLS, and two canaries that live there. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ListenerConfig } from "../../hub/face.ts";
import { selfSigned } from "../hub/mqtt/certificate.ts";
import { HubChild } from "../support/faults/hub-child.ts";
import { Canary } from "./canary.ts";
import { populationOf, type Population } from "./population.ts";
import type { Ports } from "./sender.ts";

/** A canary's message takes so long at most, ms: on a machine that does other things as well. */
export const SERVED_MS_MAX = 10_000;
/**
 * Anonymous memory beyond that of a hub with its canaries and nobody else, bytes: what all connections of the fuzzer
 * together may make the hub hold at once, and a heap that is collected when it is worth it.
 */
export const RISE_BYTES_MAX = 160 * 1024 * 1024;
const POLL_MS = 10;
/** From a connection that was cut to hearing that the hub's thread has ended, ms. */
const CAUSE_MS_MAX = 1_000;
const EVERYWHERE = { host: "127.0.0.1", port: 0 } as const;

let certificate: ReturnType<typeof selfSigned> | null = null;

const listeners = (): readonly ListenerConfig[] => [
  { protocol: "mqtt", ...EVERYWHERE },
  { protocol: "amqp", ...EVERYWHERE },
  { protocol: "http", ...EVERYWHERE },
  { protocol: "mqtts", ...EVERYWHERE, tls: (certificate ??= selfSigned()) },
];

export class Target implements AsyncDisposable {
  readonly child: HubChild;
  readonly ports: Ports;
  readonly population: Population;
  readonly canaries: readonly Canary[];
  readonly #folder: string;
  readonly #restBytes: number;
  #peakBytes = 0;

  private constructor(child: HubChild, folder: string, population: Population, canaries: readonly Canary[]) {
    this.child = child;
    this.#folder = folder;
    this.population = population;
    this.canaries = canaries;
    this.ports = portsOf(child);
    this.#restBytes = child.anonymousBytes();
  }

  /** Resolves when the canaries are served. */
  static async start(seed: number, dist?: URL): Promise<Target> {
    const folder = mkdtempSync(join(tmpdir(), "sandpiper-fuzz-"));
    const options = { storeDir: join(folder, "store"), listeners: listeners() };
    const child = await HubChild.start(dist === undefined ? options : { ...options, dist });
    const population = populationOf(seed);
    const { members, canaries, routes } = population;
    const birds = Object.values(canaries).flatMap(({ device, module }) => [device, module]);
    // Devices before their modules.
    for (const { identity } of [...birds, ...members]) await child.hub.addIdentity(identity);
    await child.hub.setRoutes(routes);
    return new Target(child, folder, population, await Canary.all(portsOf(child), population));
  }

  /** What is wrong right now, in words; empty when nothing is. */
  breaches(): string[] {
    const { child, canaries } = this;
    const now = performance.now();
    if (!child.isAlive) return ["the hub's process has ended"];
    if (child.failures.length > 0)
      return child.failures.map((failure) => `the hub's thread has ended: ${failure}`);
    const rise = this.riseBytes;
    this.#peakBytes = Math.max(this.#peakBytes, rise);
    return [
      ...(rise > RISE_BYTES_MAX ? [`anonymous memory rose by ${megabytes(rise)} MB`] : []),
      ...canaries.flatMap(({ name, ledger }) =>
        ledger.faults.map((fault) => `canary over ${name}: ${fault}`),
      ),
      ...canaries
        .filter(({ ledger }) => ledger.waitingMs(now) > SERVED_MS_MAX)
        .map(({ name }) => `canary over ${name}: not served for ${SERVED_MS_MAX} ms`),
    ];
  }

  /** The same, when there was time to hear of what caused it: that connections are cut is heard of first. */
  async verdict(): Promise<string[]> {
    for (const end = performance.now() + CAUSE_MS_MAX; performance.now() < end; await delay(POLL_MS)) {
      if (this.breaches().length === 0 || this.child.failures.length > 0) break;
    }
    return this.breaches();
  }

  /** Anonymous memory beyond that at the start, bytes. */
  get riseBytes(): number {
    return this.child.anonymousBytes() - this.#restBytes;
  }

  /** The highest that was seen, bytes. */
  get peakRiseBytes(): number {
    return this.#peakBytes;
  }

  /** Resolves when each canary has had a message served that it sends from now on; to what is wrong then. */
  async pulse(): Promise<string[]> {
    const marks = this.canaries.map(({ ledger }) => ledger.begun + 1);
    const isServed = (): boolean => this.canaries.every(({ ledger }, i) => ledger.isServed(marks[i]!));
    while (!isServed() && this.breaches().length === 0) await delay(POLL_MS);
    return this.verdict();
  }

  /** Has all that canaries have sent served; then what is wrong. */
  async settle(): Promise<string[]> {
    for (const canary of this.canaries) canary.stop();
    const isDone = (): boolean => this.canaries.every(({ ledger }) => ledger.inFlight === 0);
    while (!isDone() && this.breaches().length === 0) await delay(POLL_MS);
    return this.verdict();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const canary of this.canaries) canary[Symbol.dispose]();
    await this.child.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function portsOf({ ports: [mqtt = 0, amqp = 0, http = 0, tls = 0] }: HubChild): Ports {
  return { mqtt, amqp, http, tls, "web-mqtt": http, "web-amqp": http };
}

export const megabytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(0);
