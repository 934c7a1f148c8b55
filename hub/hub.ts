/**
 * The hub, put together: store, engine, routes, modules, sessions, listeners. Everything that `Hub` promises,
 * on the thread that calls it.
 */
import type { MessagePort } from "node:worker_threads";
import { SandpiperError, type Fault } from "../abi/index.ts";
import { DEAD_LETTER_PREFIX, UPSTREAM, type Endpoint } from "./endpoints/endpoint.ts";
import { readLog } from "./endpoints/event-log.ts";
import { Engine } from "./engine.ts";
import { deadLetter, eventRecord } from "./events.ts";
import type {
  DeadLetter,
  EventPage,
  Hub,
  HubConfig,
  HubStarted,
  HubStatus,
  Identity,
  ModuleOpen,
  ModuleOpened,
  QueueStatus,
  RouteTable,
} from "./face.ts";
import { Identities } from "./identity/identities.ts";
import { Compactor } from "./journal/compactor.ts";
import { LmdbStore } from "./journal/lmdb-store.ts";
import { MemoryStore } from "./journal/memory-store.ts";
import { systemClock } from "./journal/powered-clock.ts";
import type { Store } from "./journal/store.ts";
import { Modules } from "./modules.ts";
import { listen, type MqttListener } from "./mqtt/listener.ts";
import { queueStatus } from "./queue-status.ts";
import { restore } from "./restore.ts";
import { Routes } from "./routes.ts";
import { Sessions } from "./sessions.ts";

/** Entries one page of a log may have. */
const PAGE_ENTRIES_MAX = 1_000;
/** How long a reader may wait for something new, ms. */
const WAIT_MS_MAX = 30_000;

interface Running {
  readonly engine: Engine;
  readonly routes: Routes;
  readonly modules: Modules;
  readonly identities: Identities;
  readonly sessions: Sessions;
  readonly compactor: Compactor;
  readonly listeners: MqttListener[];
}

export class LocalHub implements Hub {
  readonly #onFailure: (error: Error) => void;
  #running: Running | null = null;

  /** @param onFailure called once when only recovery from disk can help */
  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
  }

  async start(config: HubConfig): Promise<HubStarted> {
    const begun = performance.now();
    const { backend, lingerMs, graceMs, bytesMax } = config.store;
    const store: Store =
      backend === "lmdb" ? new LmdbStore(config.storeDir) : new MemoryStore({ keep: false });
    const onFailure = this.#onFailure;
    const engine = new Engine({ store, clock: systemClock, lingerMs, graceMs, bytesMax, onFailure });
    const recovered = [...engine.endpoints.all()].filter(isQueue).reduce((sum, e) => sum + lengthOf(e), 0);
    const routes = new Routes(engine);
    const modules = new Modules(engine, config.gatewayId);
    const identities = new Identities(engine.journal);
    const sessions = new Sessions(engine, identities, modules, config.gatewayId, config.hostNames ?? []);
    const compactor = new Compactor({
      space: () => store.space,
      compact: () => store.compact(),
      groups: () => engine.journal.counters.groups,
      nowMs: () => systemClock.monotonic(),
    });
    const running: Running = { engine, routes, modules, identities, sessions, compactor, listeners: [] };
    await engine.journal.durable();
    if (config.restore) await restore(config.restore, routes, identities);
    const recoveryMs = performance.now() - begun;
    this.#running = running;
    for (const listener of config.listeners) {
      running.listeners.push(await listen({ ...listener, handler: sessions }));
    }
    return {
      listeners: config.listeners.map(({ protocol, host }, i) => ({
        protocol,
        host,
        port: running.listeners[i]!.port,
      })),
      recoveryMs,
      recovered,
    };
  }

  get #now(): Running {
    if (this.#running === null) throw new SandpiperError("SP_HUB_STOPPED", "hub: not running");
    return this.#running;
  }

  async setRoutes(table: RouteTable): Promise<void> {
    await this.#now.routes.set(table);
    this.#now.sessions.routesChanged();
  }

  openModule(spec: ModuleOpen, port: MessagePort): Promise<ModuleOpened> {
    return this.#now.modules.open(spec, port);
  }

  async moduleReady(name: string): Promise<void> {
    this.#now.modules.ready(name);
  }

  closeModule(
    name: string,
    how: { readonly drain: boolean; readonly fault?: Fault },
  ): Promise<{ readonly pinned: boolean }> {
    return this.#now.modules.close(name, how);
  }

  forgetModule(name: string): Promise<void> {
    return this.#now.modules.forget(name);
  }

  addIdentity(identity: Identity): Promise<void> {
    return this.#now.identities.add(identity);
  }

  async removeIdentity(deviceId: string, moduleId?: string): Promise<void> {
    await this.#now.identities.remove(deviceId, moduleId ?? null);
    this.#now.sessions.drop(deviceId, moduleId ?? null);
  }

  async identities(): Promise<readonly Identity[]> {
    return this.#now.identities.all();
  }

  async readEvents(query: {
    readonly from: number;
    readonly limit: number;
    readonly waitMs: number;
  }): Promise<EventPage> {
    const { engine } = this.#now;
    const limit = Math.min(query.limit, PAGE_ENTRIES_MAX);
    const until = performance.now() + Math.min(query.waitMs, WAIT_MS_MAX);
    const lane = engine.endpoints.open(UPSTREAM).lane(0);
    for (;;) {
      const { entries, next, oldest } = readLog(lane, query.from, limit, (block, at, offset) =>
        eventRecord(block, at, offset, engine.sources),
      );
      const left = until - performance.now();
      if (entries.length > 0 || left <= 0 || this.#running === null) return { events: entries, next, oldest };
      await engine.nextDurable(left);
    }
  }

  async queues(): Promise<readonly QueueStatus[]> {
    const { engine } = this.#now;
    engine.tick();
    return [...engine.endpoints.all()].flatMap((endpoint) => queueStatus(endpoint, engine.wallNow));
  }

  async deadLetters(query: {
    readonly endpoint?: string;
    readonly from: number;
    readonly limit: number;
  }): Promise<{ readonly letters: readonly DeadLetter[]; readonly next: number }> {
    const { engine } = this.#now;
    const wanted = query.endpoint === undefined ? null : DEAD_LETTER_PREFIX + query.endpoint;
    const letters: DeadLetter[] = [];
    let next = query.from;
    for (const endpoint of engine.endpoints.all()) {
      if (!endpoint.name.startsWith(DEAD_LETTER_PREFIX) || (wanted !== null && endpoint.name !== wanted))
        continue;
      const limit = Math.min(query.limit, PAGE_ENTRIES_MAX) - letters.length;
      const page = readLog(endpoint.lane(0), query.from, limit, (block, at, offset) =>
        deadLetter(block, at, offset, engine.sources),
      );
      letters.push(...page.entries);
      next = Math.max(next, page.next);
    }
    return { letters, next };
  }

  async keyValues(name: string): Promise<readonly (readonly [key: Uint8Array, value: Uint8Array])[]> {
    await this.#now.engine.journal.durable();
    return this.#now.modules.keyValues(name);
  }

  async status(): Promise<HubStatus> {
    const { engine, sessions, compactor } = this.#now;
    const { groups, entriesWritten, bytesWritten, entriesElided } = engine.journal.counters;
    const store = {
      groups,
      entries_written: entriesWritten,
      bytes_written: bytesWritten,
      entries_elided: entriesElided,
      compactions: compactor.done,
    };
    return {
      state: engine.journal.state,
      connections: sessions.count,
      counters: { ...engine.metrics.snapshot(), ...store },
      troubles: sessions.troubles.list(),
    };
  }

  async close(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    for (const listener of running.listeners) await listener.close();
    running.sessions.closeAll();
    await running.compactor.close();
    await running.modules.closeAll();
    await running.engine.close();
  }
}

const isQueue = (endpoint: Endpoint): boolean => endpoint.overflow === "refuse";
const lengthOf = (endpoint: Endpoint): number => endpoint.lanes.reduce((sum, lane) => sum + lane.length, 0);
