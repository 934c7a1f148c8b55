/** What the gateway under measurement is made of: the real hub thread, and real sandboxes. */
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { MessageChannel } from "node:worker_threads";
import {
  DEFAULT_GRANTS,
  KV_IMAGE_BYTES_DEFAULT,
  LOG_LINE_BYTES_MAX,
  MEMORY_BYTES_MAX,
  RECORD_DEADLINE_MS_DEFAULT,
  RESULT_BYTES_MAX,
  WATCH,
} from "../../abi/index.ts";
import { admitModule, startSandbox, type Admitted, type Sandbox } from "../../host/sandbox/index.ts";
import { createHubThread, type Hub } from "../../hub/index.ts";
import type { ModuleStarted } from "./gateway-protocol.ts";

export interface GatewayParts {
  /** In a thread of its own, not started. */
  readonly hub: Hub;
  readonly modules: ModuleRunner;
  /** Names of the threads that are known, by the kernel's id, which is all it knows of them. */
  readonly threads: Map<number, string>;
}

/** The thread that has come since: ids grow, and a worker's own comes before those of its helpers. */
class ThreadWatch {
  readonly #before = new Set(threadIds());

  get first(): number | undefined {
    return threadIds().find((id) => !this.#before.has(id));
  }
}

const threadIds = (): readonly number[] =>
  readdirSync("/proc/self/task")
    .map(Number)
    .sort((a, b) => a - b);

/** Runs instances of one artifact, each in a sandbox worker of its own. */
export class ModuleRunner {
  readonly #hub: Hub;
  readonly #admitted: Admitted;
  readonly #running = new Map<string, Sandbox>();
  readonly #threads: Map<number, string>;

  constructor(hub: Hub, admitted: Admitted, threads: Map<number, string>) {
    this.#hub = hub;
    this.#admitted = admitted;
    this.#threads = threads;
  }

  /** Resolves when the hub may hand over records. */
  async start(name: string): Promise<ModuleStarted> {
    const begun = performance.now();
    const { module, manifest, grants } = this.#admitted;
    const { port1, port2 } = new MessageChannel();
    const digest = "sha256:bench";
    const opened = await this.#hub.openModule({ ...manifest, name, digest }, port1);
    const spec = {
      name,
      module,
      digest,
      grants,
      config: {},
      configVersion: 1,
      env: {},
      limits: {
        recordDeadlineMs: RECORD_DEADLINE_MS_DEFAULT,
        resultBytesMax: RESULT_BYTES_MAX,
        kvBytesMax: KV_IMAGE_BYTES_DEFAULT,
        logLinesPerSecond: 100,
        filesBytesMax: LOG_LINE_BYTES_MAX,
      },
      ...opened,
      watch: new SharedArrayBuffer(4 * WATCH.WORDS),
    };
    const watch = new ThreadWatch();
    const sandbox = await startSandbox(spec, port2, {
      onLog: () => undefined,
      onFault: ({ message }) => process.stderr.write(`${name}: ${message}\n`),
      onExit: () => undefined,
    });
    if (watch.first !== undefined) this.#threads.set(watch.first, `module ${name}`);
    this.#running.set(name, sandbox);
    await this.#hub.moduleReady(name);
    const kvBytes = opened.kv.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    return { ownBytes: manifest.memory.maxBytes + kvBytes, startMs: performance.now() - begun };
  }

  /** Ends the worker at once, as a crash would, and starts another. */
  async restart(name: string): Promise<ModuleStarted> {
    await this.#running.get(name)?.stop({ timeoutMs: 0 });
    await this.#hub.closeModule(name, { drain: false });
    return this.start(name);
  }

  async stop(): Promise<void> {
    for (const sandbox of this.#running.values()) await sandbox.stop({ timeoutMs: 1_000 });
  }
}

/** `wasmFile`: the module that is run, see `buildCounter`. */
export async function createParts(wasmFile: string): Promise<GatewayParts> {
  const wasm = await readFile(wasmFile);
  const admitted = admitModule(wasm, { grants: DEFAULT_GRANTS, memoryBytesMax: MEMORY_BYTES_MAX });
  const threads = new Map([[process.pid, "main"]]);
  const watch = new ThreadWatch();
  const hub = createHubThread();
  if (watch.first !== undefined) threads.set(watch.first, "hub");
  return { hub, modules: new ModuleRunner(hub, admitted, threads), threads };
}
