/** The gateway under measurement, seen from the bench: a process of its own, with devices, a module and a sink. */
import { join } from "node:path";
import { fromErrorRecord } from "../../abi/index.ts";
import { STORE_DEFAULTS, type Identity, type RouteTable, type StoreConfig } from "../../hub/face.ts";
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

export const gatewayScript = join(projectDir, "dist", "test", "bench", "gateway-process.js");

const ROUTES: RouteTable = {
  timeToLiveSecs: 7200,
  routes: {
    in: {
      route: `FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/${MODULE}/inputs/in")`,
    },
    out: {
      route: `FROM /messages/modules/${MODULE}/outputs/out INTO BrokeredEndpoint("/modules/${SINK}/inputs/in")`,
    },
  },
};

export interface Gateway {
  readonly port: number;
  readonly pid: number;
  readonly devices: readonly Client[];
  /** Receives all that the module passes on. */
  readonly sink: Client;
  startModule(name: string): Promise<ModuleStarted>;
  restartModule(name: string): Promise<ModuleStarted>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  /** How many: they are `dev0`, `dev1`... */
  readonly devices: number;
  /** Running when it is ready; `MODULE` unless said otherwise. */
  readonly modules?: readonly string[];
  readonly store?: Partial<StoreConfig>;
}

/** `folder` holds its store. @throws {BenchError} SP_BENCH_SERVER; what the gateway threw */
export async function startGateway(folder: string, options: GatewayOptions): Promise<Gateway> {
  const sink = createIdentity(GATEWAY_ID, SINK);
  const identities = Array.from({ length: options.devices }, (_, i) => createIdentity(`dev${i}`));
  const config: GatewayConfig = {
    gatewayId: GATEWAY_ID,
    storeDir: join(folder, "store"),
    wasmFile: await buildCounter(folder),
    store: { ...STORE_DEFAULTS, ...options.store },
    identities: [...identities, sink],
    routes: ROUTES,
    modules: options.modules ?? [MODULE],
  };
  const server = await startServer(process.execPath, [gatewayScript]);
  const send = (line: GatewayConfig | GatewayRequest) => server.stdin.write(`${JSON.stringify(line)}\n`);
  const ask = async (request: GatewayRequest) => {
    send(request);
    return answerOf((await nextJson(server)) as GatewayAnswer<ModuleStarted>);
  };
  try {
    send(config);
    const { port, pid } = answerOf((await nextJson(server)) as GatewayAnswer<GatewayReady>);
    return {
      port,
      pid,
      devices: identities.map(deviceClient),
      sink: sinkClient(sink),
      startModule: (name) => ask({ request: "start module", name }),
      restartModule: (name) => ask({ request: "restart module", name }),
      stop: () => server.stop(),
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

const deviceClient = (identity: Identity): Client => ({
  ...loginOf(identity, GATEWAY_ID, Date.now()),
  topic: `devices/${identity.deviceId}/messages/events/`,
});

const sinkClient = (identity: Identity): Client => ({
  ...loginOf(identity, GATEWAY_ID, Date.now()),
  topic: `devices/${GATEWAY_ID}/modules/${SINK}/#`,
});
