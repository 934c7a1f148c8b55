/**
 * One sandbox, seen from the supervisor's thread: a worker that runs one module, its log, its faults, its
 * end. No message of the module passes through here; those go over the link.
 *
 * The worker is owned by the `Sandbox`: it ends by `stop`, by a fault, or by the watchdog, and `onExit` comes
 * once and last in each case.
 */
import { existsSync } from "node:fs";
import { Worker, type MessagePort } from "node:worker_threads";
import type { Fault, SandboxSpec } from "../../abi/index.ts";
import type { Recovery } from "./batch-runner.ts";
import { SandboxStartError } from "./errors.ts";
import type { LogLine } from "./guest-log.ts";
import { judgeImports } from "./imports.ts";
import { compileWasiLibrary } from "./wasi-library.ts";
import { Watchdog } from "./watchdog.ts";
import type { FromWorker, ToWorker, WorkerInput } from "./worker-protocol.ts";

export const READY_TIMEOUT_MS = 10_000;
/** JavaScript heap of a worker: it holds the key-value image. Linear memory is not counted in it. */
const HEAP_MB_MAX = 96;
const YOUNG_HEAP_MB_MAX = 8;

/**
 * Node 20 cannot start TypeScript as a worker: when this file runs from source, as under a test runner, the
 * worker comes from the build beside it. The build bundles it into one file, because loading forty costs each
 * worker 20 ms and 3 MB.
 */
const BUILD = import.meta.url.endsWith(".ts")
  ? new URL("../../dist/host/sandbox/", import.meta.url)
  : new URL("./", import.meta.url);
const BUNDLE = new URL("./worker.bundle.js", BUILD);
const WORKER_URL = existsSync(BUNDLE) ? BUNDLE : new URL("./worker.js", BUILD);

/** Called from the start of the worker on, in the supervisor's thread. */
export interface SandboxEvents {
  onLog(lines: readonly LogLine[]): void;
  /** At most once, after the sandbox was ready: what could not be pinned to a record. The worker ends. */
  onFault(fault: Fault): void;
  /** The worker is gone. Not called when `startSandbox` rejects. */
  onExit(code: number): void;
  /** A fault that was overcome inside the worker, to be counted. */
  onRecovery?(recovery: Recovery): void;
}

export interface SandboxOptions {
  readonly workerUrl?: URL;
  readonly readyTimeoutMs?: number;
  readonly watchdog?: Watchdog;
}

export interface Sandbox {
  /** Lets the running call come back, then ends the worker; after `timeoutMs` it is terminated. */
  stop(options: { readonly timeoutMs: number }): Promise<void>;
}

const processWatchdog = new Watchdog();

/**
 * Starts a worker and initialises the module in it. `link` is transferred: the hub holds the other end, which
 * closes when the worker ends.
 * @throws {SandboxStartError} when it does not come up in time, or refuses
 * @throws {LinkRefusal} when an import is not met
 */
export async function startSandbox(
  spec: SandboxSpec,
  link: MessagePort,
  events: SandboxEvents,
  options: SandboxOptions = {},
): Promise<Sandbox> {
  const { wasi } = judgeImports(WebAssembly.Module.imports(spec.module), spec.grants);
  const input: WorkerInput = { spec, wasi: wasi ? compileWasiLibrary() : null };
  const worker = new Worker(options.workerUrl ?? WORKER_URL, {
    name: `module ${spec.name}`,
    workerData: input,
    // Nothing of the gateway's environment or command line is a module's business.
    env: {},
    execArgv: [],
    argv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX, maxYoungGenerationSizeMb: YOUNG_HEAP_MB_MAX },
  });
  const sandbox = new WorkerSandbox(worker, spec, events, options.watchdog ?? processWatchdog);
  send(worker, { type: "link", port: link }, [link]);
  await sandbox.ready(options.readyTimeoutMs ?? READY_TIMEOUT_MS);
  return sandbox;
}

class WorkerSandbox implements Sandbox {
  readonly #worker: Worker;
  readonly #spec: SandboxSpec;
  readonly #events: SandboxEvents;
  readonly #watchdog: Watchdog;
  readonly #exited: Promise<number>;
  #fault: Fault | null = null;
  #unwatch: (() => void) | null = null;
  #onReady: () => void = () => {};

  constructor(worker: Worker, spec: SandboxSpec, events: SandboxEvents, watchdog: Watchdog) {
    this.#worker = worker;
    this.#spec = spec;
    this.#events = events;
    this.#watchdog = watchdog;
    worker.on("message", (message: FromWorker) => this.#receive(message));
    worker.on("error", (error: Error & { code?: string }) => this.#failed(workerFault(error)));
    this.#exited = new Promise((resolve) => worker.once("exit", resolve));
  }

  async ready(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => {
      this.#fault ??= { kind: "init", message: `not ready within ${timeoutMs} ms` };
      void this.#worker.terminate();
    }, timeoutMs);
    const isReady = await Promise.race([
      new Promise<true>((resolve) => (this.#onReady = () => resolve(true))),
      this.#exited.then(() => false),
    ]);
    clearTimeout(timer);
    if (!isReady) {
      const fault = this.#fault ?? { kind: "init", message: "worker ended before it was ready" };
      throw new SandboxStartError(this.#spec.name, fault);
    }
  }

  async stop({ timeoutMs }: { readonly timeoutMs: number }): Promise<void> {
    send(this.#worker, { type: "stop" });
    const timer = setTimeout(() => void this.#worker.terminate(), timeoutMs);
    await this.#exited;
    clearTimeout(timer);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "ready":
        this.#started();
        break;
      case "log":
        this.#events.onLog(message.lines);
        break;
      case "recovery":
        this.#events.onRecovery?.(message.recovery);
        break;
      case "fault":
        this.#failed(message.fault);
        break;
    }
  }

  #started(): void {
    this.#unwatch = this.#watchdog.watch({
      cell: this.#spec.watch,
      deadlineMs: this.#spec.limits.recordDeadlineMs,
      expired: (reason) => {
        this.#failed({ kind: "deadline", message: reason });
        void this.#worker.terminate();
      },
    });
    void this.#exited.then((code) => {
      this.#unwatch?.();
      this.#events.onExit(code);
    });
    this.#onReady();
  }

  /** The first fault is the cause, what follows its consequence. */
  #failed(fault: Fault): void {
    if (this.#fault !== null) return;
    this.#fault = fault;
    if (this.#unwatch !== null) this.#events.onFault(fault);
  }
}

const send = (worker: Worker, message: ToWorker, transfer: MessagePort[] = []): void =>
  worker.postMessage(message, transfer);

/** What ended the worker from inside its JavaScript: its heap limit, or a bug of ours. */
function workerFault(error: Error & { code?: string }): Fault {
  if (error.code === "ERR_WORKER_OUT_OF_MEMORY")
    return { kind: "memory", message: `worker heap is full: more than ${HEAP_MB_MAX} MB` };
  return { kind: "trap", message: `sandbox worker failed: ${error.message}` };
}
