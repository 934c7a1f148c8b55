/** Starts and ends hubs in processes of their own (`hub-process.ts`), which run from the build. */
import { fork, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Hub, HubConfig, HubStarted, ListenerConfig, StoreConfig } from "../../../hub/face.ts";
import { caller } from "../../../hub/thread/rpc.ts";
import { GATEWAY, TEST_STORE } from "../hub.ts";

/** The folder that the project is built to: the one this file was built to, or the one beside the sources. */
const DIST = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/" : "../../../", import.meta.url);
const ENTRY = "test/support/faults/hub-process.js";

/** The hub's face, and what `hub-process.ts` offers beside it. */
type RemoteHub = Hub & {
  startAgain(config: HubConfig): Promise<HubStarted>;
  prepareModules(wasmFile: string): Promise<void>;
  startModules(wasmFile: string, names: readonly string[]): Promise<void>;
  setWallClockAhead(ms: number): Promise<void>;
};

export interface HubChildOptions {
  readonly storeDir: string;
  readonly store?: Partial<StoreConfig>;
  /** One of MQTT unless said otherwise. */
  readonly listeners?: readonly ListenerConfig[];
  /** Added to the environment: a faulty disk. */
  readonly env?: NodeJS.ProcessEnv;
  /** Another build than this one: a mutant. Ends in `/`. */
  readonly dist?: URL;
}

export class HubChild implements AsyncDisposable {
  readonly hub: RemoteHub;
  /** Of the first listener. */
  port = 0;
  /** Of every listener, in their order. */
  ports: readonly number[] = [];
  /** Of the last start, ms. */
  recoveryMs = 0;
  /** Why the hub's thread ended by itself. */
  readonly failures: string[] = [];
  readonly #process: ChildProcess;
  #config: HubConfig;
  readonly #ended: Promise<void>;
  #onFailure: (() => void)[] = [];

  private constructor(options: HubChildOptions) {
    this.#config = {
      gatewayId: GATEWAY,
      storeDir: options.storeDir,
      listeners: options.listeners ?? [{ protocol: "mqtt", host: "127.0.0.1", port: 0 }],
      store: { ...TEST_STORE, ...options.store },
    };
    this.#process = fork(entryOf(options.dist ?? DIST), [], {
      env: { ...process.env, ...options.env },
      serialization: "advanced",
      execArgv: [],
      // lmdb reports every failed write on stderr; the tests that break a disk expect them.
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const child = this.#process;
    const calls = caller({
      postMessage: (value) => void child.send(value as object),
      on: (event, listener) => child.on(event, listener),
    });
    child.on("message", (message: { readonly failure?: string }) => {
      if (message.failure !== undefined) this.#failed(message.failure);
    });
    // A call that meets a process just killed cannot be sent; that it has ended says it all.
    child.on("error", () => undefined);
    this.#ended = new Promise<void>((resolve) => child.once("exit", () => resolve())).then(() =>
      calls.fail(new Error("hub process: ended")),
    );
    const get =
      (_: object, name: string) =>
      (...args: unknown[]) =>
        calls.call(name, args);
    this.hub = new Proxy({}, { get }) as RemoteHub;
  }

  static async start(options: HubChildOptions): Promise<HubChild> {
    const child = new HubChild(options);
    try {
      await child.begin();
    } catch (error) {
      await child.kill();
      throw error;
    }
    return child;
  }

  /** A process whose hub has not been started: it may be killed while it is. */
  static launch(options: HubChildOptions): HubChild {
    return new HubChild(options);
  }

  /** @param store differs from what the process was made with */
  async begin(store: Partial<StoreConfig> = {}): Promise<void> {
    this.#config = { ...this.#config, store: { ...this.#config.store, ...store } };
    this.#started(await this.hub.start(this.#config));
  }

  /** A new hub thread in the same process, after the old one has failed. */
  async startAgain(): Promise<void> {
    this.#started(await this.hub.startAgain(this.#config));
  }

  #started({ listeners, recoveryMs }: HubStarted): void {
    this.ports = listeners.map(({ port }) => port);
    this.port = this.ports[0]!;
    this.recoveryMs = recoveryMs;
  }

  #failed(message: string): void {
    this.failures.push(message);
    for (const resolve of this.#onFailure.splice(0)) resolve();
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Resolves when the hub's thread has ended by itself, which it may have already. */
  failed(): Promise<void> {
    if (this.failures.length > 0) return Promise.resolve();
    return new Promise((resolve) => this.#onFailure.push(resolve));
  }

  /** Resident memory, bytes. */
  residentBytes(): number {
    return this.#memory("VmRSS");
  }

  /** Resident memory that no file stands behind, bytes: what a leak grows. */
  anonymousBytes(): number {
    return this.#memory("RssAnon");
  }

  #memory(field: "VmRSS" | "RssAnon"): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)![1]) * 1024;
  }

  /** Ends the process as a power cut would, as far as a process can be: nothing of it runs any more. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  /** Closes the hub, then ends the process. */
  async stop(): Promise<void> {
    await this.hub.close();
    await this.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

function entryOf(dist: URL): string {
  const entry = fileURLToPath(new URL(ENTRY, dist));
  if (!existsSync(entry)) throw new Error(`no build: "${entry}" is missing; npm run build makes it`);
  return entry;
}
