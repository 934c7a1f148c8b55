/** What the supervisor's thread and a sandbox worker say to each other. Messages of modules go over the link. */
import type { MessagePort } from "node:worker_threads";
import type { Fault, SandboxSpec } from "../../abi/index.ts";
import type { Recovery } from "./batch-runner.ts";
import type { LogLine } from "./guest-log.ts";

/** The worker's `workerData`. */
export interface WorkerInput {
  readonly spec: SandboxSpec;
  /** Compiled WASI library, when the module needs it. */
  readonly wasi: WebAssembly.Module | null;
}

export type ToWorker = { readonly type: "link"; readonly port: MessagePort } | { readonly type: "stop" };

export type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "log"; readonly lines: readonly LogLine[] }
  | { readonly type: "recovery"; readonly recovery: Recovery }
  /** The last message: the worker ends. */
  | { readonly type: "fault"; readonly fault: Fault };
