/**
 * Clients on an engine whose commits a test holds back: an MQTT listener on a free port, and channels without a
 * protocol.
 */
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import type { ClientChannel, ClientEnd, ModuleInput } from "../../hub/clients/channel.ts";
import { Clients } from "../../hub/clients/clients.ts";
import { Devicebound } from "../../hub/devicebound/devicebound.ts";
import type { Endpoint } from "../../hub/endpoints/endpoint.ts";
import type { KeyedIdentity } from "../../hub/face.ts";
import { Identities } from "../../hub/identity/identities.ts";
import { newKeys } from "../../hub/identity/keys.ts";
import { Methods, type MethodInvocation } from "../../hub/methods/methods.ts";
import { listen, type Listener } from "../../hub/mqtt/listener.ts";
import { Sessions } from "../../hub/mqtt/sessions.ts";
import { TwinChangeMessages } from "../../hub/twins/twin-changes.ts";
import { Twins } from "../../hub/twins/twins.ts";
import { EngineBench, type EngineBenchOptions } from "./faults/engine-bench.ts";
import { credentials, GATEWAY } from "./hub.ts";

export class FakeChannel implements ClientChannel {
  readonly provenBy = null;
  readonly ends: ClientEnd[] = [];
  readonly inputNames: string[][] = [];
  readonly queues: (Endpoint | null)[] = [];
  readonly patches: string[] = [];
  readonly calls: MethodInvocation[] = [];

  end(why: ClientEnd): void {
    this.ends.push(why);
  }
  inputs(inputs: readonly ModuleInput[]): void {
    this.inputNames.push(inputs.map(({ name }) => name));
  }
  devicebound(queue: Endpoint | null): void {
    this.queues.push(queue);
  }
  desired(patch: Buffer): void {
    this.patches.push(patch.toString());
  }
  method(call: MethodInvocation): void {
    this.calls.push(call);
  }
}

export class ClientBench implements AsyncDisposable {
  readonly bench: EngineBench;
  readonly identities: Identities;
  readonly twins: Twins;
  readonly devicebound: Devicebound;
  readonly clients: Clients;
  readonly methods: Methods;
  readonly #sessions: Sessions;
  #listener: Listener | null = null;
  readonly #opened: MqttClient[] = [];

  constructor(options: EngineBenchOptions = {}) {
    this.bench = new EngineBench(options);
    const { engine, modules } = this.bench;
    const identities = (this.identities = new Identities({
      journal: engine.journal,
      gatewayId: GATEWAY,
      vault: null,
    }));
    const twins = (this.twins = new Twins({
      journal: engine.journal,
      changes: new TwinChangeMessages(engine, GATEWAY),
      exists: ({ deviceId, moduleId }) => identities.find(deviceId, moduleId) !== undefined,
      now: () => engine.clock.wall(),
    }));
    const devicebound = (this.devicebound = new Devicebound({ engine, identities, gatewayId: GATEWAY }));
    const parts = { engine, identities, modules, twins, devicebound };
    this.clients = new Clients({ ...parts, gatewayId: GATEWAY, hostNames: [] });
    this.methods = new Methods((name) => this.clients.methodTarget(name));
    this.clients.serveMethods(this.methods);
    this.#sessions = new Sessions({ engine, clients: this.clients, twins, devicebound });
  }

  async identity(deviceId: string, moduleId?: string): Promise<KeyedIdentity> {
    const keys = { ...newKeys(), enabled: true };
    const identity = moduleId === undefined ? { deviceId, ...keys } : { deviceId, moduleId, ...keys };
    await this.identities.add(identity);
    return identity;
  }

  /** Resolves once the client is connected, which may take a commit. */
  async connect(identity: KeyedIdentity, options: IClientOptions = {}): Promise<MqttClient> {
    this.#listener ??= await listen({
      protocol: "mqtt",
      host: "127.0.0.1",
      port: 0,
      handler: this.#sessions,
    });
    const client = mqtt.connect(`mqtt://127.0.0.1:${this.#listener.port}`, {
      ...credentials(identity),
      ...options,
    });
    this.#opened.push(client);
    await new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve()).once("error", reject);
    });
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#opened) await client.endAsync(true);
    this.methods.close();
    this.devicebound.close();
    this.clients.close();
    await this.#listener?.close();
    await this.bench[Symbol.asyncDispose]();
  }
}
