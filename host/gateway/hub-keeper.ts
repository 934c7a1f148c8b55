/**
 * Keeps a hub: when its thread ends by itself (J17), another one is made from disk, and whoever holds the
 * hub's face goes on using the same object. Between the two every call rejects with SP_HUB_DOWN. A hub that
 * fails too often is given up (J18): what the store or the disk does not let it do, trying for ever will not.
 * Before each opening the guard of the store is asked, if there is one: it may set a damaged store aside.
 */
import type {
  Hub,
  HubConfig,
  HubRestore,
  HubStarted,
  HubThread,
  ListenerCertificate,
} from "../../hub/index.ts";
import { toErrorRecord } from "../../abi/index.ts";
import { GatewayError } from "../errors.ts";
import type { Log } from "../log.ts";

/** Pauses before the first, second, ... time that a hub is made again within the window. */
const REMAKE_PAUSES_MS = [50, 2_000] as const;
const FAILURE_WINDOW_MS = 10 * 60 * 1000;
/** Of stores that one start may find damaged: an empty one that is damaged, too, is the disk's doing. */
const SET_ASIDES_PER_START_MAX = 2;

export type HubState = "starting" | "ok" | "remaking" | "failed" | "closed";

export interface HubKeeperOptions {
  readonly createHub: () => HubThread;
  readonly log: Log;
  /** Monotonic, ms. */
  readonly nowMs: () => number;
  readonly onRemade: () => void;
  readonly guard?: {
    beforeOpening(): Promise<HubRestore | null>;
    opened(): Promise<void>;
    /** Whether the store was set aside. */
    failed(error: unknown): Promise<boolean>;
    closed(): Promise<void>;
  };
  /** A call that changes what has to be kept outside the store has succeeded. */
  readonly onChanged?: (method: keyof Hub, args: readonly unknown[]) => void;
}

/** How long to wait before making the hub again, or null: it has failed too often within the window. */
export function remakePauseMs(failuresMs: readonly number[], nowMs: number): number | null {
  const recent = failuresMs.filter((at) => nowMs - at < FAILURE_WINDOW_MS).length;
  return REMAKE_PAUSES_MS[recent - 1] ?? null;
}

export class HubKeeper {
  /** Whichever hub there is. */
  readonly hub: Hub;
  readonly #options: HubKeeperOptions;
  #state: HubState = "starting";
  #current: HubThread | null = null;
  #config: HubConfig | null = null;
  #failure: string | null = null;
  #restarts = 0;
  /** Within the window, oldest first. */
  #failuresMs: number[] = [];
  #pause: NodeJS.Timeout | undefined;
  /** The latest start, so that whoever closes meanwhile leaves no thread behind. */
  #making: Promise<unknown> = Promise.resolve();

  constructor(options: HubKeeperOptions) {
    this.#options = options;
    this.hub = noting(
      relay(() => this.#hubNow()),
      options.onChanged ?? (() => {}),
    );
  }

  /** @throws what the first hub threw: a gateway that cannot start at all should say so at once */
  start(config: HubConfig): Promise<HubStarted> {
    const making = this.#make(config);
    this.#making = making;
    return making;
  }

  /** Of this hub, and of those that are made in its place. @throws SP_LISTEN_TLS */
  async setCertificates(certificates: readonly ListenerCertificate[]): Promise<void> {
    await this.#making.catch(() => {});
    await this.#current?.setCertificates(certificates);
    if (this.#config !== null) this.#config = withCertificates(this.#config, certificates);
  }

  status(): { readonly state: HubState; readonly restarts: number; readonly failure: string | null } {
    return { state: this.#state, restarts: this.#restarts, failure: this.#failure };
  }

  async close(): Promise<void> {
    this.#state = "closed";
    clearTimeout(this.#pause);
    await this.#making.catch(() => {});
    const wasOpen = this.#current !== null;
    await this.#current?.close();
    this.#current = null;
    if (wasOpen) await this.#options.guard?.closed();
  }

  async #make(config: HubConfig): Promise<HubStarted> {
    const { guard } = this.#options;
    for (let setAsides = 0; ; setAsides++) {
      const restore = guard === undefined ? null : await guard.beforeOpening();
      try {
        const started = await this.#open(restore ? { ...config, restore } : config);
        await guard?.opened();
        return started;
      } catch (error) {
        if (guard === undefined) throw error;
        if (setAsides < SET_ASIDES_PER_START_MAX && (await guard.failed(error))) continue;
        await guard.closed();
        throw error;
      }
    }
  }

  async #open(config: HubConfig): Promise<HubStarted> {
    const thread = this.#options.createHub();
    const failed = new Promise<never>((_, reject) => thread.onFailure(reject));
    failed.catch((error: Error) => {
      if (this.#current === thread) this.#handleFailure(error);
    });
    try {
      // A thread may also end before it answers.
      const started = await Promise.race([thread.start(config), failed]);
      const { restore: _, ...again } = withPorts(config, started);
      this.#config = again;
      this.#current = thread;
      if (this.#state !== "closed") this.#state = "ok";
      return started;
    } catch (error) {
      await thread.close().catch(() => {});
      throw error;
    }
  }

  #handleFailure(error: Error): void {
    this.#current = null;
    if (this.#state === "closed") return;
    const { log } = this.#options;
    const nowMs = this.#options.nowMs();
    this.#failure = error.message;
    this.#failuresMs = [...this.#failuresMs.filter((at) => nowMs - at < FAILURE_WINDOW_MS), nowMs];
    const pauseMs = remakePauseMs(this.#failuresMs, nowMs);
    const { code } = toErrorRecord(error);
    if (pauseMs === null) {
      this.#state = "failed";
      log.error({ err: error, code }, "hub failed too often and is given up");
      return;
    }
    this.#state = "remaking";
    log.warn({ err: error, code, pauseMs }, "hub failed and is made again from disk");
    this.#pause = setTimeout(() => {
      this.#making = this.#remake(error);
    }, pauseMs);
  }

  async #remake(failure: Error): Promise<void> {
    try {
      await this.#options.guard?.failed(failure);
      const { recoveryMs, recovered } = await this.#make(this.#config!);
      this.#restarts += 1;
      this.#options.log.info({ durationMs: recoveryMs, recovered }, "hub is back");
      this.#options.onRemade();
    } catch (error) {
      this.#handleFailure(error as Error);
    }
  }

  #hubNow(): Hub {
    if (this.#current) return this.#current;
    throw hubDown(this.#state, this.#failure);
  }
}

/** A hub made again listens where the first one did: clients know that place. */
function withPorts(config: HubConfig, started: HubStarted): HubConfig {
  const listeners = config.listeners.map((listener, index) => {
    const port = started.listeners[index]?.port ?? listener.port;
    return { ...listener, port, portsToTry: 0 };
  });
  return { ...config, listeners };
}

function withCertificates(config: HubConfig, certificates: readonly ListenerCertificate[]): HubConfig {
  const listeners = config.listeners.map((listener, index) => {
    const found = certificates.find((certificate) => certificate.listener === index);
    if (found === undefined) return listener;
    return { ...listener, tls: { ...listener.tls, key: found.key, cert: found.cert } };
  });
  return { ...config, listeners };
}

function hubDown(state: HubState, failure: string | null): GatewayError {
  if (state === "failed") {
    return new GatewayError("SP_HUB_DOWN", `hub: given up after repeated failures, the last: ${failure}`, {
      hint: "the gateway's log has all of them; once their cause is gone, restart the gateway",
    });
  }
  return new GatewayError("SP_HUB_DOWN", `hub: is ${state === "remaking" ? "being made again" : state}`, {
    hint: "try again in a moment",
  });
}

/** What has to be kept outside the store changes with these. */
const CHANGING: ReadonlySet<keyof Hub> = new Set([
  "setRoutes",
  "addIdentity",
  "changeIdentity",
  "removeIdentity",
]);

/** The same hub, saying which of its changes have succeeded. */
function noting(hub: Hub, onChanged: (method: keyof Hub, args: readonly unknown[]) => void): Hub {
  const methods = hub as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const noted = [...CHANGING].map((name) => [
    name,
    async (...args: unknown[]) => {
      const result = await methods[name]!(...args);
      onChanged(name, args);
      return result;
    },
  ]);
  return { ...hub, ...(Object.fromEntries(noted) as Partial<Hub>) };
}

/** The hub's face over whichever hub there is. A call without one rejects; it never throws. */
function relay(hub: () => Hub): Hub {
  return {
    start: async (config) => hub().start(config),
    setRoutes: async (table) => hub().setRoutes(table),
    openModule: async (spec, port) => hub().openModule(spec, port),
    moduleReady: async (name) => hub().moduleReady(name),
    closeModule: async (name, how) => hub().closeModule(name, how),
    settleRoutes: async () => hub().settleRoutes(),
    forgetModule: async (name) => hub().forgetModule(name),
    addIdentity: async (identity) => hub().addIdentity(identity),
    changeIdentity: async (change) => hub().changeIdentity(change),
    removeIdentity: async (deviceId, moduleId) => hub().removeIdentity(deviceId, moduleId),
    identities: async (deviceId) => hub().identities(deviceId),
    identity: async (deviceId, moduleId) => hub().identity(deviceId, moduleId),
    clients: async () => hub().clients(),
    twin: async (deviceId, moduleId) => hub().twin(deviceId, moduleId),
    changeTwin: async (deviceId, moduleId, change) => hub().changeTwin(deviceId, moduleId, change),
    setModuleTwins: async (desired) => hub().setModuleTwins(desired),
    invokeMethod: async (deviceId, moduleId, request) => hub().invokeMethod(deviceId, moduleId, request),
    sendDevicebound: async (deviceId, message) => hub().sendDevicebound(deviceId, message),
    devicebound: async (deviceId) => hub().devicebound(deviceId),
    purgeDevicebound: async (deviceId) => hub().purgeDevicebound(deviceId),
    readFeedback: async (query) => hub().readFeedback(query),
    readEvents: async (query) => hub().readEvents(query),
    queues: async () => hub().queues(),
    deadLetters: async (query) => hub().deadLetters(query),
    deadLetter: async (place) => hub().deadLetter(place),
    replayDeadLetters: async (which) => hub().replayDeadLetters(which),
    purgeDeadLetters: async (which) => hub().purgeDeadLetters(which),
    openTap: async (query) => hub().openTap(query),
    readTap: async (query) => hub().readTap(query),
    closeTap: async (tap) => hub().closeTap(tap),
    compact: async () => hub().compact(),
    keyValues: async (name) => hub().keyValues(name),
    status: async () => hub().status(),
    setCertificates: async (certificates) => hub().setCertificates(certificates),
    close: async () => hub().close(),
  };
}
