/** What the supervisor needs of a sandbox: `startSandbox` of `host/sandbox` satisfies it, and so does a fake. */
import type { MessagePort } from "node:worker_threads";
import type { Fault, SandboxSpec } from "../../abi/index.ts";
import type { ModuleLogLevel } from "./log-line.ts";

export interface SandboxEvents {
  onLog(
    lines: readonly { readonly level: ModuleLogLevel; readonly text: string; readonly at: number }[],
  ): void;
  /** At most once, after the start: a fault that could not be pinned inside the sandbox, which ends. */
  onFault(fault: Fault): void;
  /** Last of all. Not called when the start failed. */
  onExit(code: number): void;
  /** A fault that was overcome inside the sandbox: to be counted. */
  onRecovery(recovery: { readonly kind: string; readonly fault: Fault }): void;
}

export interface Sandbox {
  stop(options: { readonly timeoutMs: number }): Promise<void>;
}

/** `link` is transferred. Rejects with an error that carries a `fault` when the module itself is to blame. */
export type StartSandbox = (spec: SandboxSpec, link: MessagePort, events: SandboxEvents) => Promise<Sandbox>;
