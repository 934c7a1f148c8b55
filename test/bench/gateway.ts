/** The gateway under measurement, seen from the bench: a process of its own, with devices, a module and a sink. */
import { join } from "node:path";
import { fromErrorRecord } from "../../abi/index.ts";
import {
  STORE_DEFAULTS,
  type Compaction,
  type HubStatus,
  type KeyedIdentity,
  type RouteTable,
  type StoreConfig,
} from "../../hub/face.ts";
import { projectDir } from "./compile.ts";
import { buildCounter } from "./counter-module.ts";
import { createIdentity, loginOf, type Client } from "./credentials.ts";
import type {
  GatewayAnswer,
  GatewayConfig,
  GatewayReady,
  GatewayRequest,
  ModuleStarted,
} from "./gateway-protocol.ts";
import { nextJson, startServer } from "./server-process.ts";

export const GATEWAY_ID = "gw";
/**
 * Counts the messages of each source in its key-value space, and passes each one on. A body shorter than
 * `PAYLOAD_BYTES_MIN` is poison to it: it traps.
 */
export const MODULE = "counter";
export const PAYLOAD_BYTES_MIN = 16;
const SINK = "sink";
const TIME_TO_LIVE_SECS = 7200;
const COMPACTION_TIMEOUT_MS = 300_000;

export const gatewayScript = join(projectDir, "dist", "test", "bench", "gateway-process.js");

/** From devices through the modules, one after the other, to the sink. */
export function routesThrough(chain: readonly string[], inputBytesMax?: number): RouteTable {
  const input = (module: string) => `BrokeredEndpoint("/modules/${module}/inputs/in")`;
  const routes = [...chain, SINK].map((module, i) => {
    const from =
      i === 0
        ? "/messages/* WHERE NOT IS_DEFINED($connectionModuleId)"
        : `/messages/modules/${chain[i - 1]!}/outputs/out`;
    return [`to-${module}`, { route: `FROM ${from} INTO ${input(module)}` }] as const;
  });
  const table = { timeToLiveSecs: TIME_TO_LIVE_SECS, routes: Object.fromEntries(routes) };
  if (inputBytesMax === undefined) return table;
  const bounds = [...chain, SINK].map((module) => [`${module}/in`, { bytesMax: inputBytesMax }] as const);
  return { ...table, queues: Object.fromEntries(bounds) };
}

/** What devices send is kept in the log, and goes nowhere else. */
export const routesIntoLog: RouteTable = {
  timeToLiveSecs: TIME_TO_LIVE_SECS,
  routes: { log: { route: "FROM /messages/* INTO $upstream" } },
};

export interface Gateway {
  readonly port: number;
  /** 0 unless it was asked for. */
  readonly amqpPort: number;
  readonly pid: number;
  /** What the hub says of opening its store, see `HubStarted`. */
  readonly recoveryMs: number;
  readonly recovered: number;
  /** Names of threads by their ids: main, the hub, each module that ran at the start. */
  readonly threads: readonly (readonly [id: number, name: string])[];
  readonly storeDir: string;
  readonly devices: readonly Client[];
  /** Receives all that the last module passes on. */
  readonly sink: Client;
  startModule(name: string): Promise<ModuleStarted>;
  restartModule(name: string): Promise<ModuleStarted>;
  status(): Promise<HubStatus>;
  /** null = this version's store cannot. */
  compact(): Promise<Compaction>;
  stop(): Promise<void>;
  /** Once stopped: another process on the same store, with `modules` running. */
  again(modules: readonly string[]): Promise<Gateway>;
}

export interface GatewayOptions {
  /** How many: they are `dev0`, `dev1`... */
  readonly devices: number;
  /** Modules that a message passes through; `MODULE` unless said otherwise. */
  readonly chain?: readonly string[];
  /** Running when it is ready; those of the chain unless said otherwise. */
  readonly modules?: readonly string[];
  /** Instead of those through the chain. */
  readonly routes?: RouteTable;
  /** Whether there is an AMQP listener, too. */
  readonly isAmqp?: boolean;
  /** What one input may hold; the hub's own bound unless said otherwise. */
  readonly inputBytesMax?: number;
  readonly store?: Partial<StoreConfig>;
  /** Added to the environment of its process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where each of its threads leaves a processor profile when it ends; none unless said. */
  readonly profileDir?: string;
}

/** `folder` holds its store. @throws {BenchError} SP_BENCH_SERVER; what the gateway threw */
export async function startGateway(folder: string, options: GatewayOptions): Promise<Gateway> {
  const sink = createIdentity(GATEWAY_ID, SINK);
  const identities = Array.from({ length: options.devices }, (_, i) => createIdentity(`dev${i}`));
  const { chain = [MODULE], inputBytesMax, store } = options;
  const config: GatewayConfig = {
    gatewayId: GATEWAY_ID,
    storeDir: join(folder, "store"),
    wasmFile: await buildCounter(folder),
    store: { ...STORE_DEFAULTS, ...store },
    identities: [...identities, sink],
    routes: options.routes ?? routesThrough(chain, inputBytesMax),
    isAmqp: options.isAmqp ?? false,
    modules: options.modules ?? chain,
  };
  return launch(config, { devices: identities.map(deviceClient), sink: sinkClient(sink) }, options);
}

async function launch(
  config: GatewayConfig,
  clients: Pick<Gateway, "devices" | "sink">,
  options: Pick<GatewayOptions, "env" | "profileDir">,
): Promise<Gateway> {
  const { env, profileDir } = options;
  const profiling = profileDir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`];
  const server = await startServer(process.execPath, [...profiling, gatewayScript], env);
  const answered = async <T>(line: GatewayConfig | GatewayRequest, timeoutMs?: number) => {
    server.stdin.write(`${JSON.stringify(line)}\n`);
    return answerOf((await nextJson(server, timeoutMs)) as GatewayAnswer<T>);
  };
  try {
    const ready = await answered<GatewayReady>(config);
    return {
      ...ready,
      ...clients,
      storeDir: config.storeDir,
      startModule: (name) => answered({ request: "start module", name }),
      restartModule: (name) => answered({ request: "restart module", name }),
      status: () => answered({ request: "status" }),
      compact: () => answered({ request: "compact" }, COMPACTION_TIMEOUT_MS),
      stop: () => server.stop(),
      // Its identities are in the store by now.
      again: (modules) => launch({ ...config, identities: [], modules }, clients, options),
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function answerOf<T>(answer: GatewayAnswer<T>): T {
  if ("ok" in answer) return answer.ok;
  throw fromErrorRecord(answer.error);
}

const deviceClient = (identity: KeyedIdentity): Client => ({
  ...loginOf(identity, GATEWAY_ID, Date.now()),
  topic: `devices/${identity.deviceId}/messages/events/`,
});

const sinkClient = (identity: KeyedIdentity): Client => ({
  ...loginOf(identity, GATEWAY_ID, Date.now()),
  topic: `devices/${GATEWAY_ID}/modules/${SINK}/#`,
});
