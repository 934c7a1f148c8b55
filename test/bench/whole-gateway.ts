/** A gateway as an operator runs it (`sandpiper run`), with copies of the counter module deployed to it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import mqtt from "mqtt";
import type { DeviceCreated } from "../../host/index.ts";
import { createSasToken } from "../../hub/index.ts";
import { createKeyPair, readPrivateKey, signArtifact } from "../../toolchain/index.ts";
import { GatewayProcess } from "../support/gateway-process.ts";
import { BenchError } from "./bench-error.ts";
import { buildCounter } from "./counter-module.ts";

const ID = "gw";
const DEVICE = "dev0";
const RUNTIME = { type: "docker", settings: {} };
const BODY = JSON.stringify({ value: "as long as a counter wants it" });
const CONNECT_RETRY_MS = 5;

export class WholeGateway implements AsyncDisposable {
  readonly #process: GatewayProcess;
  readonly #artifact: string;
  #device: DeviceCreated | null = null;

  private constructor(process: GatewayProcess, artifact: string) {
    this.#process = process;
    this.#artifact = artifact;
  }

  /** Makes its folder and a signed artifact; starts nothing. */
  static async init(folder: string): Promise<WholeGateway> {
    const artifact = await buildCounter(folder);
    const keys = await createKeyPair(join(folder, "release.key"));
    await signArtifact(artifact, await readPrivateKey(keys.privateKeyFile));
    const process = await GatewayProcess.init(ID);
    await process.trust("release", await readFile(keys.publicKeyFile, "utf8"));
    return new WholeGateway(process, artifact);
  }

  get pid(): number {
    return this.#process.pid;
  }

  start(): Promise<void> {
    return this.#process.start();
  }

  /** `counter` and as many further copies as asked for. */
  async deploy(copies: number): Promise<void> {
    const settings = { image: `file:${this.#artifact}` };
    const module = { type: "docker", status: "running", restartPolicy: "always", settings };
    const names = Array.from({ length: copies }, (_, i) => (i === 0 ? "counter" : `counter${i}`));
    const modules = Object.fromEntries(names.map((name) => [name, module]));
    const routes = {
      in: 'FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/counter/inputs/in")',
      out: "FROM /messages/modules/counter/* INTO $upstream",
    };
    const storeAndForwardConfiguration = { timeToLiveSecs: 7200 };
    const modulesContent = {
      $edgeAgent: { "properties.desired": { schemaVersion: "1.1", runtime: RUNTIME, modules } },
      $edgeHub: { "properties.desired": { schemaVersion: "1.1", routes, storeAndForwardConfiguration } },
    };
    const status = await this.#process.client.apply({ modulesContent }, "/");
    if (status.code !== 200) throw new BenchError("SP_BENCH_GATEWAY", `deployment: ${status.description}`);
  }

  /** Stops it, starts it, and times from the spawn until a device's message has come through the module, ms. */
  async restartToFirstMessage(): Promise<number> {
    this.#device ??= await this.#process.client.addDevice({ deviceId: DEVICE });
    const { next } = await this.#process.client.events({ tail: 1 });
    await this.#process.end("SIGINT");
    const begun = performance.now();
    await this.#process.start();
    const client = await this.#connect(this.#device);
    await client.publishAsync(`devices/${DEVICE}/messages/events/`, BODY, { qos: 1 });
    const { events } = await this.#process.client.events({ from: next, waitMs: 10_000 });
    const elapsed = performance.now() - begun;
    await client.endAsync();
    if (events.length === 0) throw new BenchError("SP_BENCH_GATEWAY", "no message came through the module");
    return elapsed;
  }

  #connect({ primaryKey }: DeviceCreated): Promise<mqtt.MqttClient> {
    return mqtt.connectAsync(`mqtt://127.0.0.1:${this.#process.port}`, {
      clientId: DEVICE,
      username: `${ID}/${DEVICE}/?api-version=2021-04-12`,
      password: createSasToken(`${ID}/devices/${DEVICE}`, primaryKey, Date.now() / 1000 + 3600),
      protocolVersion: 4,
      reconnectPeriod: CONNECT_RETRY_MS,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
