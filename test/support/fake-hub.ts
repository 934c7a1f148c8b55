/**
 * A hub that keeps nothing and answers at once. It remembers what it was asked, and does wrong what it is told
 * to. Routes that hold the word `SYNTAX` are refused, as the real hub refuses what it cannot parse.
 */
import type { MessagePort } from "node:worker_threads";
import { SandpiperError, type Fault } from "../../abi/index.ts";
import type { DroppedQueue, Hub, ModuleOpen, RouteTable } from "../../hub/face.ts";

export interface FakeHub extends Hub {
  /** `setRoutes`, `open thermo`, `ready thermo`, `close thermo drain`, `close thermo fault trap`, `forget thermo`. */
  readonly calls: string[];
  readonly tables: RouteTable[];
  /** Desired properties by module, as set last. */
  readonly moduleTwins: Record<string, unknown>;
  readonly opened: Map<string, { readonly spec: ModuleOpen; readonly port: MessagePort }>;
  /** Whether the next faults can be pinned to one record. */
  pins: boolean;
  /** What the next call of that name rejects with, once. */
  readonly failNext: Map<
    "setRoutes" | "settleRoutes" | "openModule" | "moduleReady" | "closeModule" | "forgetModule",
    Error
  >;
  /** What the next settling of routes says that it deleted. */
  readonly orphans: DroppedQueue[];
  /** Calls of these names never come back. */
  readonly silent: Set<string>;
}

export function fakeHub(): FakeHub {
  const calls: string[] = [];
  const tables: RouteTable[] = [];
  const opened: FakeHub["opened"] = new Map();
  const incarnations = new Map<string, number>();
  const failNext: FakeHub["failNext"] = new Map();
  const silent = new Set<string>();
  let sources = 100;

  async function ask(name: Parameters<typeof failNext.get>[0], call: string): Promise<void> {
    calls.push(call);
    const error = failNext.get(name);
    failNext.delete(name);
    if (error) throw error;
    if (silent.has(name)) await new Promise(() => {});
  }
  const unused = () => Promise.reject(new Error("the fake hub does not do this"));

  const hub: FakeHub = {
    moduleTwins: {},
    calls,
    tables,
    opened,
    pins: false,
    failNext,
    silent,
    orphans: [],
    async setRoutes(table) {
      const wrong = Object.entries(table.routes).find(([, { route }]) => route.includes("SYNTAX"));
      if (wrong)
        throw new SandpiperError("SP_ROUTE_SYNTAX", `route "${wrong[0]}": expected INTO at column 8`);
      await ask("setRoutes", "setRoutes");
      // What crosses a thread must survive a structured clone.
      tables.push(structuredClone(table));
    },
    async settleRoutes() {
      await ask("settleRoutes", "settleRoutes");
      return hub.orphans.splice(0);
    },
    async openModule(spec, port) {
      await ask("openModule", `open ${spec.name}`);
      opened.get(spec.name)?.port.close();
      const incarnation = (incarnations.get(spec.name) ?? 0) + 1;
      incarnations.set(spec.name, incarnation);
      opened.set(spec.name, { spec: structuredClone(spec), port });
      return { incarnation, outputSources: spec.outputs.map(() => sources++), kv: [] };
    },
    moduleReady: (name) => ask("moduleReady", `ready ${name}`),
    async closeModule(name, how: { readonly drain: boolean; readonly fault?: Fault }) {
      const ending = how.fault ? `fault ${how.fault.kind}` : how.drain ? "drain" : "now";
      await ask("closeModule", `close ${name} ${ending}`);
      opened.get(name)?.port.close();
      opened.delete(name);
      return { pinned: how.fault !== undefined && hub.pins };
    },
    forgetModule: (name) => ask("forgetModule", `forget ${name}`),
    start: unused,
    addIdentity: unused,
    changeIdentity: unused,
    removeIdentity: unused,
    identities: unused,
    identity: unused,
    clients: unused,
    twin: unused,
    changeTwin: unused,
    async setModuleTwins(desired) {
      Object.assign(hub.moduleTwins, structuredClone(desired));
    },
    invokeMethod: unused,
    sendDevicebound: unused,
    devicebound: unused,
    purgeDevicebound: unused,
    readFeedback: unused,
    readEvents: unused,
    queues: unused,
    deadLetters: unused,
    deadLetter: unused,
    replayDeadLetters: unused,
    purgeDeadLetters: unused,
    openTap: unused,
    readTap: unused,
    closeTap: unused,
    compact: unused,
    keyValues: unused,
    status: unused,
    setCertificates: unused,
    close: unused,
  };
  return hub;
}
