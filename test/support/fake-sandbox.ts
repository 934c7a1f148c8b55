/** Sandboxes without workers: each start is remembered, and does what its digest is told to do. */
import type { MessagePort } from "node:worker_threads";
import type { Fault, FaultKind, SandboxSpec } from "../../abi/index.ts";
import type { Sandbox, SandboxEvents, StartSandbox } from "../../host/supervisor/sandbox-face.ts";

export interface FakeSandbox extends Sandbox {
  readonly spec: SandboxSpec;
  readonly link: MessagePort;
  readonly events: SandboxEvents;
  isRunning: boolean;
  fault(kind?: FaultKind, message?: string): void;
  exit(code: number): void;
}

/** `start` = comes up; a fault = refuses to; `hang` = never answers. */
export type Behaviour = "start" | "hang" | Fault;

export interface FakeSandboxes {
  readonly startSandbox: StartSandbox;
  /** Every start, oldest first. */
  readonly starts: FakeSandbox[];
  /** By module name, or by digest without `sha256:`; a list is used up from its front, its last stays. */
  readonly behaviours: Map<string, Behaviour | Behaviour[]>;
  /** The one that runs. */
  running(name: string): FakeSandbox | undefined;
  stopsHang: boolean;
}

export class StartError extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(`did not start: ${fault.message}`);
    this.fault = fault;
  }
}

export function fakeSandboxes(): FakeSandboxes {
  const starts: FakeSandbox[] = [];
  const behaviours: FakeSandboxes["behaviours"] = new Map();

  function behaviourOf(spec: SandboxSpec): Behaviour {
    const told = behaviours.get(spec.digest) ?? behaviours.get(spec.name) ?? "start";
    if (!Array.isArray(told)) return told;
    return (told.length > 1 ? told.shift() : told[0]) ?? "start";
  }

  const all: FakeSandboxes = {
    starts,
    behaviours,
    stopsHang: false,
    running: (name) => starts.findLast((sandbox) => sandbox.spec.name === name && sandbox.isRunning),
    async startSandbox(spec, link, events) {
      const behaviour = behaviourOf(spec);
      const sandbox: FakeSandbox = {
        spec,
        link,
        events,
        isRunning: true,
        fault(kind = "trap", message = "it broke") {
          events.onFault({ kind, message, stack: `  at guest (a.ts:1:1)\n  at main (a.ts:2:2)` });
          sandbox.exit(1);
        },
        exit(code) {
          if (!sandbox.isRunning) return;
          sandbox.isRunning = false;
          link.close();
          events.onExit(code);
        },
        async stop() {
          if (all.stopsHang) await new Promise(() => {});
          sandbox.exit(0);
        },
      };
      starts.push(sandbox);
      if (behaviour === "hang") await new Promise(() => {});
      if (behaviour !== "start" && behaviour !== "hang") {
        sandbox.isRunning = false;
        throw new StartError(behaviour);
      }
      return sandbox;
    },
  };
  return all;
}
