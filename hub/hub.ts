/**
 * The hub: everything that `Hub` promises, on the thread that calls it. What it is made of: running.ts.
 */
import type { MessagePort } from "node:worker_threads";
import { SandpiperError, type Fault } from "../abi/index.ts";
import { UPSTREAM, type Endpoint } from "./endpoints/endpoint.ts";
import { eventRecord } from "./operator/events.ts";
import type {
  Compaction,
  ConnectedClient,
  DeadLetter,
  DeviceboundMessage,
  DeviceboundSent,
  DeviceboundWaiting,
  DroppedQueue,
  EventPage,
  FeedbackPage,
  Hub,
  HubConfig,
  HubStarted,
  HubStatus,
  Identity,
  IdentityChange,
  LetterPlace,
  ListenerCertificate,
  LogQuery,
  MethodRequest,
  MethodResult,
  ModuleOpen,
  ModuleOpened,
  NewIdentity,
  QueueStatus,
  Replayed,
  RouteTable,
  TapPage,
  TwinChange,
  TwinView,
} from "./face.ts";
import { changeIdentity, removeIdentity } from "./identity-changes.ts";
import {
  findDeadLetter,
  listDeadLetters,
  openTap,
  purgeDeadLetters,
  replayDeadLetters,
} from "./operator/commands.ts";
import { PAGE_ENTRIES_MAX, readWhenNew, WAIT_MS_MAX } from "./operator/log-reader.ts";
import { decodeMethodRequest } from "./methods/method-call.ts";
import { openListener } from "./open-listener.ts";
import { openRunning, type Running } from "./running.ts";
import { statusOf } from "./operator/status.ts";
import { serviceView, type Twin } from "./twins/twin.ts";
import type { TwinName } from "./twins/twins.ts";

export class LocalHub implements Hub {
  readonly #onFailure: (error: Error) => void;
  #running: Running | null = null;

  /** @param onFailure called once when only recovery from disk can help */
  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
  }

  async start(config: HubConfig): Promise<HubStarted> {
    const begun = performance.now();
    const running = await openRunning(config, this.#onFailure);
    const recovered = [...running.engine.endpoints.all()]
      .filter(isQueue)
      .reduce((sum, e) => sum + e.length, 0);
    const recoveryMs = performance.now() - begun;
    this.#running = running;
    for (const listener of config.listeners) running.listeners.push(await openListener(listener, running));
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
    this.#now.clients.routesChanged();
  }

  async settleRoutes(): Promise<readonly DroppedQueue[]> {
    const dropped = await this.#now.routes.settle();
    this.#now.clients.routesChanged();
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

  /** Its twin stays when it is registered as a module that connects over the network, too. */
  forgetModule(name: string): Promise<void> {
    const { modules, identities, twins, gatewayId } = this.#now;
    if (identities.find(gatewayId, name) === undefined) twins.forget({ deviceId: gatewayId, moduleId: name });
    return modules.forget(name);
  }

  async addIdentity(identity: NewIdentity): Promise<void> {
    await this.#now.identities.add(identity);
  }

  async changeIdentity(change: IdentityChange): Promise<Identity> {
    return changeIdentity(this.#now, change);
  }

  async removeIdentity(deviceId: string, moduleId: string | null = null): Promise<void> {
    return removeIdentity(this.#now, deviceId, moduleId);
  }

  async identities(deviceId?: string): Promise<readonly Identity[]> {
    const all = this.#now.identities.all();
    return deviceId === undefined ? all : all.filter((one) => one.deviceId === deviceId);
  }

  async identity(deviceId: string, moduleId: string | null): Promise<Identity | null> {
    return this.#now.identities.find(deviceId, moduleId) ?? null;
  }

  async clients(): Promise<readonly ConnectedClient[]> {
    return this.#now.clients.list();
  }

  async twin(deviceId: string, moduleId: string | null): Promise<TwinView> {
    const name = { deviceId, moduleId };
    return viewOf(name, await this.#now.twins.get(name));
  }

  async changeTwin(deviceId: string, moduleId: string | null, change: TwinChange): Promise<TwinView> {
    const name = { deviceId, moduleId };
    return viewOf(name, await this.#now.twins.change(name, change));
  }

  async setModuleTwins(desired: Readonly<Record<string, unknown>>): Promise<void> {
    const { twins, gatewayId } = this.#now;
    const sections = Object.entries(desired);
    await twins.replaceDesired(
      sections.map(([moduleId, values]) => [{ deviceId: gatewayId, moduleId }, values] as const),
    );
  }

  invokeMethod(deviceId: string, moduleId: string | null, request: MethodRequest): Promise<MethodResult> {
    return this.#now.methods.invoke({ deviceId, moduleId }, decodeMethodRequest(request));
  }

  sendDevicebound(deviceId: string, message: DeviceboundMessage): Promise<DeviceboundSent> {
    return this.#now.devicebound.send(deviceId, message);
  }

  devicebound(deviceId: string): Promise<readonly DeviceboundWaiting[]> {
    return this.#now.devicebound.list(deviceId);
  }

  purgeDevicebound(deviceId: string): Promise<{ readonly purged: number }> {
    return this.#now.devicebound.purge(deviceId);
  }

  readFeedback(query: LogQuery): Promise<FeedbackPage> {
    return this.#now.devicebound.feedback.read(query);
  }

  async readEvents(query: LogQuery): Promise<EventPage> {
    const { engine } = this.#now;
    const lane = engine.endpoints.open(UPSTREAM).lane(0);
    const { entries, next, oldest } = await readWhenNew(engine, lane, query, (block, at, offset) =>
      eventRecord(block, at, offset, engine.sources),
    );
    return { events: entries, next, oldest };
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
    return statusOf(this.#now);
  }

  async setCertificates(certificates: readonly ListenerCertificate[]): Promise<void> {
    for (const { listener, key, cert } of certificates) {
      this.#now.listeners[listener]?.setCertificate({ key, cert });
    }
  }

  async close(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    running.gauges.close();
    running.devicebound.close();
    for (const listener of running.listeners) await listener.close();
    running.methods.close();
    running.clients.close();
    await running.compactor.close();
    await running.modules.closeAll();
    await running.engine.close();
  }
}

const viewOf = ({ deviceId, moduleId }: TwinName, twin: Twin): TwinView => ({
  deviceId,
  moduleId,
  ...serviceView(twin),
});

const isQueue = (endpoint: Endpoint): boolean => !endpoint.isLog;
