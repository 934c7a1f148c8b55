/**
 * A gateway as an operator runs it (`sandpiper run`, both default listeners), with copies of the counter module
 * deployed to it. Its folder, and so its store, lies where the caller says.
 */
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import mqtt from "mqtt";
import {
  addTrustedKey,
  createManagementClient,
  gatewayPaths,
  initGateway,
  type DeviceCreated,
  type GatewayStarted,
  type ManagementClient,
} from "../../host/index.ts";
import { createKeyPair, readPrivateKey, signArtifact } from "../../toolchain/index.ts";
import { BenchError } from "./bench-error.ts";
import { projectDir } from "./compile.ts";
import { buildCounter } from "./counter-module.ts";
import type { KeyedIdentity } from "../../hub/face.ts";
import { loginOf, type Client } from "./credentials.ts";
import { GATEWAY_ID, MODULE, PAYLOAD_BYTES_MIN } from "./gateway.ts";
import { nextJson, startServer, type ServerProcess } from "./server-process.ts";

const CLI = join(projectDir, "dist", "toolchain", "cli.js");
const DEVICE = "dev0";
const EVENT_WAIT_MS = 10_000;
/** Any free port: what an operator's gateway has on its two. */
const LISTENERS = (["mqtt", "mqtts"] as const).map((protocol) => ({ protocol, host: "127.0.0.1", port: 0 }));

export class WholeGateway implements AsyncDisposable {
  readonly #dir: string;
  readonly #artifact: string;
  readonly #client: ManagementClient;
  #server: ServerProcess | null = null;
  #port = 0;
  #tlsPort = 0;
  #device: DeviceCreated | null = null;

  private constructor(dir: string, artifact: string) {
    this.#dir = dir;
    this.#artifact = artifact;
    this.#client = createManagementClient(dir);
  }

  /**
   * Makes its folder in `parent`, and a signed artifact that it trusts; starts nothing.
   * @param artifactBytes see `buildCounter`
   */
  static async init(parent: string, artifactBytes = 0): Promise<WholeGateway> {
    const folder = mkdtempSync(join(parent, "whole-"));
    const artifact = await buildCounter(folder, artifactBytes);
    const keys = await createKeyPair(join(folder, "release.key"));
    await signArtifact(artifact, await readPrivateKey(keys.privateKeyFile));
    const dir = join(folder, "gateway");
    await initGateway(dir, { gatewayId: GATEWAY_ID, hostname: GATEWAY_ID, listeners: LISTENERS });
    await addTrustedKey(gatewayPaths(dir).trust, "release", readFileSync(keys.publicKeyFile, "utf8"));
    return new WholeGateway(dir, artifact);
  }

  get pid(): number {
    if (this.#server === null) throw new Error("the gateway is not running");
    return this.#server.pid;
  }

  /** Of its plain listener. */
  get port(): number {
    return this.#port;
  }

  get tlsPort(): number {
    return this.#tlsPort;
  }

  /** Resolves when devices can connect. @throws {BenchError} SP_BENCH_SERVER */
  async start(): Promise<void> {
    const args = [CLI, "run", "--json", "--log-level", "error", "--dir", this.#dir];
    this.#server = await startServer(process.execPath, args);
    const { listeners } = (await nextJson(this.#server)) as GatewayStarted;
    this.#port = listeners[0]!.port;
    this.#tlsPort = listeners[1]!.port;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = null;
  }

  /** As many copies of the counter as asked for; the first is called `MODULE`, and has the route. */
  async deploy(copies: number): Promise<void> {
    const status = await this.#client.apply(deploymentOf(this.#artifact, copies), "/");
    if (status.code !== 200) throw new BenchError("SP_BENCH_GATEWAY", `deployment: ${status.description}`);
  }

  /** `device0`, `device1`... */
  async addDevices(count: number): Promise<readonly Client[]> {
    const clients: Client[] = [];
    for (let i = 0; i < count; i++) {
      const deviceId = `device${i}`;
      const created = await this.#client.addDevice({ deviceId });
      const topic = `devices/${deviceId}/messages/events/`;
      clients.push({ ...loginOf(identityOf(deviceId, created), GATEWAY_ID, Date.now()), topic });
    }
    return clients;
  }

  /** Stops it, and times from the spawn until a device's message has come through the module, ms. */
  async restartToFirstMessage(): Promise<number> {
    this.#device ??= await this.#client.addDevice({ deviceId: DEVICE });
    const { next } = await this.#client.events({ tail: 1 });
    await this.stop();
    const begun = performance.now();
    await this.start();
    const client = await this.#connect(this.#device);
    const topic = `devices/${DEVICE}/messages/events/`;
    await client.publishAsync(topic, "counted".padEnd(PAYLOAD_BYTES_MIN), { qos: 1 });
    const { events } = await this.#client.events({ from: next, waitMs: EVENT_WAIT_MS });
    const elapsed = performance.now() - begun;
    await client.endAsync();
    if (events.length === 0) throw new BenchError("SP_BENCH_GATEWAY", "no message came through the module");
    return elapsed;
  }

  #connect(device: DeviceCreated): Promise<mqtt.MqttClient> {
    const identity = identityOf(DEVICE, device);
    const { clientId, username, password } = loginOf(identity, GATEWAY_ID, Date.now());
    const options = { clientId, username, password, reconnectPeriod: 0 };
    return mqtt.connectAsync(`mqtt://127.0.0.1:${this.#port}`, options, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

const identityOf = (deviceId: string, { primaryKey, secondaryKey }: DeviceCreated): KeyedIdentity => ({
  deviceId,
  primaryKey,
  secondaryKey,
  enabled: true,
});

function deploymentOf(artifact: string, copies: number): object {
  const settings = { image: `file:${artifact}` };
  const module = { type: "docker", status: "running", restartPolicy: "always", settings };
  const names = Array.from({ length: copies }, (_, i) => (i === 0 ? MODULE : `${MODULE}${i}`));
  const runtime = { type: "docker", settings: {} };
  const modules = Object.fromEntries(names.map((name) => [name, module]));
  const routes = {
    in: `FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/${MODULE}/inputs/in")`,
    out: `FROM /messages/modules/${MODULE}/* INTO $upstream`,
  };
  const storeAndForwardConfiguration = { timeToLiveSecs: 7200 };
  return {
    modulesContent: {
      $edgeAgent: { "properties.desired": { schemaVersion: "1.1", runtime, modules } },
      $edgeHub: { "properties.desired": { schemaVersion: "1.1", routes, storeAndForwardConfiguration } },
    },
  };
}
