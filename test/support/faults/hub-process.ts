/**
 * A hub that tests may kill: a process of its own, with the hub in a thread as in a gateway, and modules in
 * sandboxes of their own when a test asks for them. Started by `hub-child.ts` from the build; serves the hub's face
 * over the channel to its parent.
 */
import { readFile } from "node:fs/promises";
import { BroadcastChannel } from "node:worker_threads";
import { DEFAULT_GRANTS, MEMORY_BYTES_MAX } from "../../../abi/index.ts";
import { createHubThread, type HubThread } from "../../../hub/thread/client.ts";
import type { HubConfig, HubStarted } from "../../../hub/face.ts";
import { serve } from "../../../hub/thread/rpc.ts";
import type { ModuleRunner } from "../../bench/gateway-parts.ts";
import { WALL_CLOCK } from "./wall-clock.ts";

const send = (message: unknown): void => void process.send!(message);

function createHub(): HubThread {
  const isClockOurs = process.env[WALL_CLOCK] !== undefined;
  const hub = isClockOurs ? createHubThread(new URL("./hub-thread.js", import.meta.url)) : createHubThread();
  hub.onFailure((error) => send({ failure: error.message }));
  return hub;
}

let hub = createHub();

let runner: Promise<ModuleRunner> | null = null;

/** For the hub's first thread. Loaded when it is asked for: most tests run no modules. */
function runnerOf(wasmFile: string): Promise<ModuleRunner> {
  return (runner ??= makeRunner(wasmFile));
}

async function makeRunner(wasmFile: string): Promise<ModuleRunner> {
  const { admitModule } = await import("../../../host/sandbox/index.ts");
  const parts = await import("../../bench/gateway-parts.ts");
  const wasm = await readFile(wasmFile);
  const admitted = admitModule(wasm, { grants: DEFAULT_GRANTS, memoryBytesMax: MEMORY_BYTES_MAX });
  return new parts.ModuleRunner(hub, admitted, new Map());
}

/** The hub's face, and what only a test asks for. */
const face = new Proxy(
  {
    /** After a failure: a new thread, as the agent makes one, in the same process. */
    async startAgain(config: HubConfig): Promise<HubStarted> {
      hub = createHub();
      return hub.start(config);
    },
    /** Loads and compiles what `startModules` needs, which it does by itself otherwise. */
    async prepareModules(wasmFile: string): Promise<void> {
      await runnerOf(wasmFile);
    },
    /** Instances of one artifact, each in a worker of its own. Resolves when records may flow to all. */
    async startModules(wasmFile: string, names: readonly string[]): Promise<void> {
      const runner = await runnerOf(wasmFile);
      await Promise.all(names.map((name) => runner.start(name)));
    },
    /** Of the hub's thread alone, and only when it was started with a clock of the test's. */
    async setWallClockAhead(ms: number): Promise<void> {
      const channel = new BroadcastChannel(WALL_CLOCK);
      channel.postMessage(ms);
      channel.close();
    },
  },
  { get: (own, name) => Reflect.get(own, name) ?? Reflect.get(hub, name) },
);

serve({ postMessage: send, on: (event, listener) => process.on(event, listener) }, face);
process.on("disconnect", () => process.exit());
