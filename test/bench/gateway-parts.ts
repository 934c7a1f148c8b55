/** What the gateway under measurement is made of. */
import type { Hub } from "../../hub/face.ts";
import { BenchError } from "./bench-error.ts";
import type { ModuleStarted } from "./gateway-protocol.ts";

export interface GatewayParts {
  /** In a thread of its own, not started. */
  readonly hub: Hub;
  readonly modules: ModuleRunner;
}

/** Runs instances of the counter module (`counter-module.ts`), each in a sandbox worker of its own. */
export interface ModuleRunner {
  /** Resolves when the hub may hand over records. */
  start(name: string): Promise<ModuleStarted>;
  /** Ends the worker at once, as a crash would, and starts another. */
  restart(name: string): Promise<ModuleStarted>;
  stop(): Promise<void>;
}

/** @throws {BenchError} SP_BENCH_GATEWAY */
export function createParts(): Promise<GatewayParts> {
  return Promise.reject(new BenchError("SP_BENCH_GATEWAY", "hub and sandbox are not joined here yet"));
}
