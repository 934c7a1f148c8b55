/**
 * One incarnation of a module: a link opened at the hub, a sandbox at its other end. It is brought up once and
 * ends once, whichever of stop, fault, exit and failed start comes first; what comes later is ignored.
 *
 * Owns the ports until they are transferred, the sandbox until it is stopped, and the hub's opening until it
 * is closed; all three are released before `onEnded`.
 */
import { MessageChannel } from "node:worker_threads";
import {
  WATCH,
  type Capability,
  type Fault,
  type ModuleManifest,
  type SandboxLimits,
  type SandboxSpec,
} from "../../abi/index.ts";
import type { Hub, ModuleOpen, ModuleOpened } from "../../hub/face.ts";
import { within, type Clock } from "./clock.ts";
import { ModuleError } from "./errors.ts";
import type { ModuleLogLevel } from "./log-line.ts";
import type { Sandbox, StartSandbox } from "./sandbox-face.ts";

export type ModuleHub = Pick<Hub, "openModule" | "moduleReady" | "closeModule">;

/** What is run. The compiled module is shared by all incarnations. */
export interface ModuleRun {
  readonly name: string;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly module: WebAssembly.Module;
  readonly manifest: ModuleManifest;
  readonly grants: readonly Capability[];
  readonly limits: SandboxLimits;
  readonly env: ReadonlyMap<string, string>;
  readonly config: unknown;
  readonly configVersion: number;
  readonly sourceMap: string | null;
}

export interface IncarnationTimeouts {
  /** For the running call to come back before the worker is terminated. */
  readonly stopMs: number;
  /** For the hub to answer; longer than it drains. */
  readonly hubMs: number;
}

export const INCARNATION_TIMEOUTS: IncarnationTimeouts = { stopMs: 5_000, hubMs: 30_000 };

export interface IncarnationContext {
  readonly hub: ModuleHub;
  readonly startSandbox: StartSandbox;
  readonly clock: Clock;
  readonly timeouts: IncarnationTimeouts;
}

/** Why it ended: told to; by itself with exit code 0; a fault, pinned to a record or not; or no doing of its. */
export type IncarnationEnd =
  | { readonly why: "stopped" | "clean" }
  | { readonly why: "fault"; readonly fault: Fault; readonly pinned: boolean }
  | { readonly why: "host"; readonly error: Error };

export interface IncarnationEvents {
  onReady(incarnation: number): void;
  onLog(level: ModuleLogLevel, text: string, atMs: number): void;
  onRecovery(fault: Fault): void;
  onEnded(end: IncarnationEnd): void;
}

type Cause =
  | { readonly why: "stopped" | "clean" }
  | { readonly why: "fault"; readonly fault: Fault }
  | { readonly why: "host"; readonly error: Error };

export class Incarnation {
  readonly #run: ModuleRun;
  readonly #context: IncarnationContext;
  readonly #events: IncarnationEvents;
  readonly #started: Promise<void>;
  #isOpen = false;
  #sandbox: Sandbox | null = null;
  #cause: Cause | null = null;

  constructor(run: ModuleRun, context: IncarnationContext, events: IncarnationEvents) {
    this.#run = run;
    this.#context = context;
    this.#events = events;
    this.#started = this.#bringUp();
  }

  /** Lets outstanding results come in, then ends the sandbox. */
  stop(): void {
    this.#end({ why: "stopped" });
  }

  async #bringUp(): Promise<void> {
    // The constructor returns first: whoever made this knows it before it hears from it.
    await Promise.resolve();
    const { port1, port2 } = new MessageChannel();
    const { hub } = this.#context;
    try {
      const opening = hub.openModule(openingOf(this.#run), port1);
      // A hub that answers too late has opened it all the same, and would refuse the next incarnation.
      this.#isOpen = true;
      opening.catch(() => (this.#isOpen = false));
      const opened = await this.#answer(opening);
      if (this.#cause) return port2.close();
      if (!(await this.#startSandbox(opened, port2)) || this.#cause) return;
      await this.#answer(hub.moduleReady(this.#run.name));
      if (!this.#cause) this.#events.onReady(opened.incarnation);
    } catch (error) {
      port2.close();
      this.#end({ why: "host", error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  async #startSandbox(opened: ModuleOpened, link: MessageChannel["port2"]): Promise<boolean> {
    const { startSandbox } = this.#context;
    try {
      this.#sandbox = await startSandbox(specOf(this.#run, opened), link, {
        onLog: (lines) => {
          for (const { level, text, at } of lines) this.#events.onLog(level, text, at);
        },
        onRecovery: ({ fault }) => this.#events.onRecovery(fault),
        onFault: (fault) => this.#end({ why: "fault", fault }),
        onExit: (code) => this.#end(exitCause(code)),
      });
      return true;
    } catch (error) {
      link.close(); // it may not have been transferred yet
      this.#end({ why: "fault", fault: startFault(error) });
      return false;
    }
  }

  /** The first cause is the one that counts; the rest follows from it. */
  #end(cause: Cause): void {
    if (this.#cause) return;
    this.#cause = cause;
    void this.#finish(cause);
  }

  async #finish(cause: Cause): Promise<void> {
    await this.#started;
    const pinned = this.#isOpen && (await this.#close(cause));
    const { clock, timeouts } = this.#context;
    // A sandbox that does not even end is left behind: the watchdog and the process outlive it.
    await within(clock, timeouts.stopMs * 2, this.#stopSandbox(timeouts.stopMs));
    this.#events.onEnded(cause.why === "fault" ? { ...cause, pinned } : cause);
  }

  async #stopSandbox(timeoutMs: number): Promise<void> {
    await this.#sandbox?.stop({ timeoutMs }).catch(() => {});
  }

  /** A hub that cannot answer (it is being re-made) has forgotten the incarnation anyway. */
  async #close(cause: Cause): Promise<boolean> {
    const how =
      cause.why === "fault" ? { drain: false, fault: cause.fault } : { drain: cause.why === "stopped" };
    return this.#answer(this.#context.hub.closeModule(this.#run.name, how)).then(
      ({ pinned }) => pinned,
      () => false,
    );
  }

  async #answer<T>(work: Promise<T>): Promise<T> {
    const { clock, timeouts } = this.#context;
    const answer = await within(clock, timeouts.hubMs, work);
    if (answer !== "late") return answer;
    throw new ModuleError(
      "SP_HUB_SILENT",
      `module "${this.#run.name}": the hub did not answer within ${timeouts.hubMs} ms`,
      { details: { module: this.#run.name } },
    );
  }
}

const openingOf = ({ name, digest, manifest, grants, config }: ModuleRun): ModuleOpen => ({
  name,
  digest,
  inputs: manifest.inputs,
  outputs: manifest.outputs,
  timers: manifest.timers,
  methods: manifest.methods ?? [],
  capabilities: grants,
  ...(typeof config === "object" && config !== null ? { desired: config } : {}),
});

const specOf = (run: ModuleRun, opened: ModuleOpened): SandboxSpec => ({
  name: run.name,
  module: run.module,
  digest: run.digest.replace("sha256:", ""),
  grants: run.grants,
  methods: run.manifest.methods ?? [],
  // A module with a twin follows that, which may have gone on since the deployment.
  config: opened.desired?.values ?? run.config,
  configVersion: opened.desired?.version ?? run.configVersion,
  env: Object.fromEntries(run.env),
  limits: run.limits,
  outputSources: opened.outputSources,
  kv: opened.kv,
  incarnation: opened.incarnation,
  ...(run.sourceMap === null ? {} : { sourceMap: run.sourceMap }),
  watch: new SharedArrayBuffer(WATCH.WORDS * Int32Array.BYTES_PER_ELEMENT),
});

/** A worker that ends without having named a fault, and was not told to. */
const exitCause = (code: number): Cause =>
  code === 0
    ? { why: "clean" }
    : { why: "fault", fault: { kind: "exit", message: `worker ended with code ${code}` } };

function startFault(error: unknown): Fault {
  const { fault } = error as { readonly fault?: Fault };
  if (fault) return fault;
  return { kind: "init", message: error instanceof Error ? error.message : String(error) };
}
