/** A real hub on this thread, on a throw-away store and a free port, and clients for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import {
  STORE_DEFAULTS,
  type KeyedIdentity,
  type ListenerConfig,
  type RouteSpec,
  type StoreConfig,
} from "../../hub/face.ts";
import { LocalHub } from "../../hub/hub.ts";
import { createSasToken } from "../../hub/identity/sas.ts";
import { newKeys } from "../../hub/identity/keys.ts";

export const GATEWAY = "gw";
/** As by default, with a log that is quickly made. */
export const TEST_STORE: StoreConfig = { ...STORE_DEFAULTS, logBytes: 4 * 1024 * 1024 };
/** Longer than any clock jumps in a test. */
const TOKEN_SECS = 3 * 3600;

export interface TestHub extends AsyncDisposable {
  readonly hub: LocalHub;
  readonly port: number;
  /** Of the AMQP listener; 0 unless there is one. */
  readonly amqpPort: number;
  /** Of the TLS listeners, when there are any. */
  readonly tlsPorts: { readonly mqtt: number; readonly amqp: number };
  readonly dir: string;
  readonly failures: Error[];
  /** Registers an identity. */
  identity(deviceId: string, moduleId?: string): Promise<KeyedIdentity>;
  connect(identity: KeyedIdentity, options?: IClientOptions): Promise<MqttClient>;
  routes(routes: Record<string, string | RouteSpec>, timeToLiveSecs?: number): Promise<void>;
  /** Closes the hub, keeps the store. */
  stop(): Promise<void>;
}

export async function startHub(
  options: {
    dir?: string;
    store?: Partial<StoreConfig>;
    amqp?: true;
    tls?: ListenerConfig["tls"];
  } = {},
): Promise<TestHub> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "sandpiper-hub-"));
  const failures: Error[] = [];
  const hub = new LocalHub((error) => failures.push(error));
  const started = await hub.start({
    gatewayId: GATEWAY,
    storeDir: dir,
    hostNames: ["localhost"],
    listeners: [
      { protocol: "mqtt", host: "127.0.0.1", port: 0 },
      ...(options.amqp ? [{ protocol: "amqp", host: "127.0.0.1", port: 0 } as const] : []),
      ...(options.tls ? (["mqtts", "amqps"] as const) : []).map((protocol) => {
        return { protocol, host: "127.0.0.1", port: 0, tls: options.tls! };
      }),
    ],
    store: { ...TEST_STORE, ...options.store },
  });
  const portOf = (wanted: string): number =>
    started.listeners.find(({ protocol }) => protocol === wanted)?.port ?? 0;
  const [port, amqpPort] = [portOf("mqtt"), portOf("amqp")];
  const tlsPorts = { mqtt: portOf("mqtts"), amqp: portOf("amqps") };
  const clients: MqttClient[] = [];
  const stop = async (): Promise<void> => {
    for (const client of clients) await client.endAsync(true);
    await hub.close();
  };
  return {
    hub,
    port,
    amqpPort,
    tlsPorts,
    dir,
    failures,
    async identity(deviceId, moduleId) {
      const keys = { ...newKeys(), enabled: true };
      const identity = moduleId === undefined ? { deviceId, ...keys } : { deviceId, moduleId, ...keys };
      await hub.addIdentity(identity);
      return identity;
    },
    async connect(identity, clientOptions = {}) {
      const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, {
        ...credentials(identity),
        ...clientOptions,
      });
      clients.push(client);
      return client;
    },
    routes: (routes, timeToLiveSecs = 7200) => hub.setRoutes({ routes: specs(routes), timeToLiveSecs }),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const nameOf = ({ deviceId, moduleId }: KeyedIdentity): string =>
  moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;

const resourceOf = ({ deviceId, moduleId }: KeyedIdentity): string =>
  moduleId === undefined ? `devices/${deviceId}` : `devices/${deviceId}/modules/${moduleId}`;

/** A token of an identity, good for `seconds`. */
export const tokenOf = (identity: KeyedIdentity, seconds = 3600): string =>
  createSasToken(`${GATEWAY}/${resourceOf(identity)}`, identity.primaryKey, Date.now() / 1000 + seconds);

export function credentials(identity: KeyedIdentity, tokenSeconds = TOKEN_SECS): IClientOptions {
  const name = nameOf(identity);
  return {
    clientId: name,
    username: `${GATEWAY}/${name}/?api-version=2021-04-12`,
    password: tokenOf(identity, tokenSeconds),
    reconnectPeriod: 0,
    protocolVersion: 4,
  };
}

const specs = (routes: Record<string, string | RouteSpec>): Record<string, RouteSpec> =>
  Object.fromEntries(
    Object.entries(routes).map(([name, route]) => [name, typeof route === "string" ? { route } : route]),
  );
