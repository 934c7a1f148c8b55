/**
 * The hub, put together: store, engine, routes, modules, sessions, listeners. Everything that `Hub` promises,
 * on the thread that calls it.
 */
import type { MessagePort } from "node:worker_threads";
import { SandpiperError, type Fault } from "../abi/index.ts";
import { UPSTREAM, type Endpoint } from "./endpoints/endpoint.ts";
import { readLog } from "./endpoints/event-log.ts";
import { Engine } from "./engine.ts";
import { eventRecord } from "./events.ts";
import type {
  Compaction,
  DeadLetter,
  DroppedQueue,
  EventPage,
  Hub,
  HubConfig,
  HubStarted,
  HubStatus,
  Identity,
  LetterPlace,
  ListenerConfig,
  ModuleOpen,
  ModuleOpened,
  QueueStatus,
  Replayed,
  RouteTable,
  TapPage,
} from "./face.ts";
import { Gauges } from "./gauges.ts";
import { Identities } from "./identity/identities.ts";
import { Compactor } from "./journal/compactor.ts";
import { systemClock } from "./journal/powered-clock.ts";
import { Modules } from "./modules.ts";
import { AmqpClients } from "./amqp-clients.ts";
import { AmqpHead } from "./amqp/head.ts";
import { listen, type Listener } from "./mqtt/listener.ts";
import { openStore } from "./open-store.ts";
import { findDeadLetter, listDeadLetters, openTap, purgeDeadLetters, replayDeadLetters } from "./operator.ts";
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
  readonly amqpClients: AmqpClients;
  readonly listeners: Listener[];
  readonly gauges: Gauges;
  compacting: Promise<Compaction> | null;
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
    const { lingerMs, graceMs, bytesMax, timeToLiveClock, queues } = config.store;
    const store = await openStore(config.storeDir, config.store);
    const onFailure = this.#onFailure;
    const engine = new Engine({
      store,
      clock: systemClock,
      lingerMs,
      graceMs,
      bytesMax,
      timeToLiveClock,
      queues,
      onFailure,
    });
    const recovered = [...engine.endpoints.all()].filter(isQueue).reduce((sum, e) => sum + e.length, 0);
    const routes = new Routes(engine);
    const modules = new Modules(engine, config.gatewayId);
    const identities = new Identities(engine.journal);
    const { gatewayId, hostNames = [] } = config;
    const sessions = new Sessions(engine, identities, modules, gatewayId, hostNames);
    const amqpClients = new AmqpClients({
      engine,
      identities,
      modules,
      gatewayId,
      hostNames,
      troubles: sessions.troubles,
      onClaim: (name) => sessions.takeOver(name),
    });
    sessions.onClaim = (name) => amqpClients.takeOver(name);
    const gauges = new Gauges(engine);
    const compactor = new Compactor({
      space: () => store.space,
      compact: () => store.compact(),
      groups: () => engine.journal.counters.groups,
      nowMs: () => systemClock.monotonic(),
    });
    const own = { engine, routes, modules, identities, sessions, amqpClients, gauges, compactor };
    const running: Running = { ...own, listeners: [], compacting: null };
    await engine.journal.durable();
    if (config.restore) await restore(config.restore, routes, identities);
    const recoveryMs = performance.now() - begun;
    this.#running = running;
    for (const listener of config.listeners) {
      running.listeners.push(await this.#listen(listener, running));
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

  async #listen(listener: ListenerConfig, { sessions, amqpClients }: Running): Promise<Listener> {
    const isMqtt = listener.protocol === "mqtt" || listener.protocol === "mqtts";
    if (isMqtt) return listen({ ...listener, handler: sessions });
    const head = await AmqpHead.load(amqpClients);
    return head.listen(listener);
  }

  get #now(): Running {
    if (this.#running === null) throw new SandpiperError("SP_HUB_STOPPED", "hub: not running");
    return this.#running;
  }

  async setRoutes(table: RouteTable): Promise<void> {
    await this.#now.routes.set(table);
    this.#now.sessions.routesChanged();
    this.#now.amqpClients.routesChanged();
  }

  async settleRoutes(): Promise<readonly DroppedQueue[]> {
    const dropped = await this.#now.routes.settle();
    this.#now.sessions.routesChanged();
    return dropped;
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
    this.#now.amqpClients.drop(deviceId, moduleId ?? null);
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
    return this.#now.gauges.queues();
  }

  async deadLetters(query: {
    readonly endpoint?: string | undefined;
    readonly from?: LetterPlace | undefined;
    readonly limit: number;
  }): Promise<{ readonly letters: readonly DeadLetter[]; readonly next: LetterPlace | null }> {
    return listDeadLetters(this.#now.engine, { ...query, limit: Math.min(query.limit, PAGE_ENTRIES_MAX) });
  }

  async deadLetter(place: LetterPlace): Promise<DeadLetter> {
    return findDeadLetter(this.#now.engine, place);
  }

  async replayDeadLetters(which: {
    readonly endpoint: string;
    readonly offset?: number | undefined;
  }): Promise<Replayed> {
    return replayDeadLetters(this.#now.engine, which);
  }

  async purgeDeadLetters(which: {
    readonly endpoint: string;
    readonly offset?: number | undefined;
  }): Promise<{ readonly purged: number }> {
    return purgeDeadLetters(this.#now.engine, which);
  }

  async openTap(query: {
    readonly endpoint: string;
    readonly perSecond: number;
  }): Promise<{ readonly tap: number }> {
    return openTap(this.#now.engine, query);
  }

  async readTap({ tap, waitMs }: { readonly tap: number; readonly waitMs: number }): Promise<TapPage> {
    return this.#now.engine.taps.read(tap, Math.min(waitMs, WAIT_MS_MAX));
  }

  async closeTap(tap: number): Promise<void> {
    this.#now.engine.taps.close(tap);
  }

  /** One at a time: who asks meanwhile gets the answer of the one that runs. */
  async compact(): Promise<Compaction> {
    const running = this.#now;
    running.compacting ??= running.engine.journal.compact().finally(() => (running.compacting = null));
    return running.compacting;
  }

  async keyValues(name: string): Promise<readonly (readonly [key: Uint8Array, value: Uint8Array])[]> {
    await this.#now.engine.journal.durable();
    return this.#now.modules.keyValues(name);
  }

  async status(): Promise<HubStatus> {
    const { engine, sessions, amqpClients, gauges, compactor } = this.#now;
    const { groups, entriesWritten, bytesWritten, entriesElided } = engine.journal.counters;
    const store = {
      groups,
      entries_written: entriesWritten,
      bytes_written: bytesWritten,
      entries_elided: entriesElided,
      compactions: compactor.done,
    };
    const { logBytes, checkpointBytes, flushes, checkpoints } = engine.journal.written;
    const flash = {
      log_bytes: logBytes,
      checkpoint_bytes: checkpointBytes,
      flushes,
      checkpoints,
    };
    return {
      state: engine.journal.state,
      connections: sessions.count + amqpClients.count,
      counters: { ...engine.metrics.snapshot(), ...store, ...flash },
      flash: gauges.flash(),
      troubles: sessions.troubles.list(),
    };
  }

  async close(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    running.gauges.close();
    for (const listener of running.listeners) await listener.close();
    running.sessions.closeAll();
    await running.compactor.close();
    await running.modules.closeAll();
    await running.engine.close();
  }
}

const isQueue = (endpoint: Endpoint): boolean => !endpoint.isLog;
