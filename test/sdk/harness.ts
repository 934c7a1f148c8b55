/**
 * Microsoft's device SDK, unmodified, and a gateway for it: a process as `sandpiper run` starts it, with certificates
 * as `sandpiper init` made them. What a test changes it changes through the management API, as an operator does.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import device, { type Client, type DeviceClientOptions, type ModuleClient } from "azure-iot-device";
import { buildConnectionString, parseConnectionString } from "../../hub/identity/connection-string.ts";
import type { ClientTrouble } from "../../hub/face.ts";
import { newKeys } from "../../hub/identity/keys.ts";
import { TRUST_BUNDLE } from "../../host/certificates/index.ts";
import type { DeviceCreated, EventView, ManagementClient } from "../../host/index.ts";
import { makeCertificate, thumbprintOf, type TestCertificate } from "../support/device-certificate.ts";
import { GatewayProcess } from "../support/gateway-process.ts";
import { constructorOf, LISTENER_OF, webSocketsTo, type Transport } from "./transports.ts";

/** Its own name is what everybody calls it. */
export const HOSTNAME = "localhost";
export const GATEWAY = "site";
/** For what hangs: a machine that is busy takes its time over a handshake. */
const WAIT_MS = 40_000;
/** An AMQP client whose connection is gone takes its time to say so. */
const CLOSE_MS = 2_000;
const EVENTS_PAGE = 1_000;
const AUTHORITIES = "device-authorities.pem";

/** How an identity proves itself to the gateway: by a key, or by a certificate. */
export interface SdkIdentity {
  readonly deviceId: string;
  readonly moduleId?: string;
  readonly primaryKey: string;
  readonly secondaryKey: string;
  /** As the gateway printed it. */
  readonly connectionString: string;
}

export class SdkGateway implements AsyncDisposable {
  readonly process: GatewayProcess;
  /** Signs certificates of devices. */
  readonly authority: TestCertificate;
  readonly #clients: (Client | ModuleClient)[] = [];

  private constructor(process: GatewayProcess, authority: TestCertificate) {
    this.process = process;
    this.authority = authority;
  }

  /** `routes`: by name; everything goes to the event log unless told otherwise. */
  static async start(
    routes: Readonly<Record<string, string>> = { up: "FROM /messages/* INTO $upstream" },
  ): Promise<SdkGateway> {
    const listeners = (["mqtts", "amqps", "https"] as const).map((protocol) => ({
      protocol,
      deviceAuthorities: AUTHORITIES,
    }));
    const process = await GatewayProcess.init(GATEWAY, { hostname: HOSTNAME, listeners });
    const gateway = new SdkGateway(process, makeCertificate("Device authority", { isAuthority: true }));
    writeFileSync(join(process.dir, AUTHORITIES), gateway.authority.cert);
    await process.start();
    await gateway.routes(routes);
    return gateway;
  }

  get management(): ManagementClient {
    return this.process.client;
  }

  /** File with the certificate of who signed the gateway's. */
  get ca(): string {
    return join(this.process.dir, "tls", TRUST_BUNDLE);
  }

  /** The route table from now on. */
  async routes(routes: Readonly<Record<string, string>>): Promise<void> {
    const systemModule = { type: "docker", settings: { image: "sandpiper" } };
    const edgeHub = { ...systemModule, status: "running", restartPolicy: "always" };
    const desired = (properties: object) => ({ "properties.desired": properties });
    const deployment = {
      modulesContent: {
        $edgeAgent: desired({
          schemaVersion: "1.1",
          runtime: { type: "docker", settings: {} },
          systemModules: { edgeAgent: systemModule, edgeHub },
          modules: {},
        }),
        $edgeHub: desired({
          schemaVersion: "1.1",
          routes,
          storeAndForwardConfiguration: { timeToLiveSecs: 7200 },
        }),
      },
    };
    const { code, description } = await this.management.apply(deployment, this.process.workDir);
    if (code !== 200) throw new Error(`routes are refused: ${description}`);
  }

  // ---- Who may connect ----

  /** Registers a device with keys, or a module of one; a module without a device is the gateway's own. */
  async identity(deviceId: string, moduleId?: string): Promise<SdkIdentity> {
    const ids = moduleId === undefined ? { deviceId } : { deviceId, moduleId };
    const created: DeviceCreated = await this.management.addDevice(ids);
    const { primaryKey, secondaryKey, connectionString } = created;
    return { ...ids, primaryKey, secondaryKey, connectionString };
  }

  readonly module = (moduleId: string): Promise<SdkIdentity> => this.identity(GATEWAY, moduleId);

  /** Registers a device that shows a certificate: exactly this one, or any that the authority has signed for it. */
  async certified(deviceId: string, pinned?: TestCertificate): Promise<string> {
    const options =
      pinned === undefined
        ? { certificate: "certificateAuthority" as const }
        : { certificate: "selfSigned" as const, primaryThumbprint: thumbprintOf(pinned) };
    return (await this.management.addCertificateDevice({ deviceId }, options)).connectionString;
  }

  /** Where a transport finds the gateway: the SDK takes another port from the host name, except for WebSockets. */
  hostFor(transport: Transport): string {
    const listener = LISTENER_OF[transport];
    return listener === "https" ? HOSTNAME : `${HOSTNAME}:${this.process.portOf(listener)}`;
  }

  /** As the gateway printed it, with the port that it has in this test. */
  connectionString(transport: Transport, { connectionString }: SdkIdentity, key?: string): string {
    const fields = parseConnectionString(connectionString);
    return buildConnectionString({
      ...fields,
      sharedAccessKey: key ?? fields.sharedAccessKey,
      gatewayHostName: this.hostFor(transport),
    });
  }

  // ---- Clients ----

  /** Options of every client: whom to trust, and where WebSockets lead. */
  options(more: DeviceClientOptions = {}): DeviceClientOptions {
    return { ca: this.ca, ...webSocketsTo(this.process.portOf("https")), ...more };
  }

  /** Told how to reach the gateway, and not connected yet; closed with the others. */
  async prepare<C extends Client | ModuleClient>(client: C, more: DeviceClientOptions = {}): Promise<C> {
    this.#clients.push(client);
    // Without a listener an "error" of an emitter is thrown at everybody.
    client.on("error", () => undefined);
    await client.setOptions(this.options(more));
    return client;
  }

  async open<C extends Client | ModuleClient>(client: C, more: DeviceClientOptions = {}): Promise<C> {
    await this.prepare(client, more);
    await within("connection", client.open());
    return client;
  }

  device(transport: Transport, identity: SdkIdentity, key?: string): Promise<Client> {
    const text = this.connectionString(transport, identity, key);
    return this.open(device.Client.fromConnectionString(text, constructorOf(transport)));
  }

  moduleClient(transport: Transport, identity: SdkIdentity): Promise<ModuleClient> {
    const text = this.connectionString(transport, identity);
    return this.open(device.ModuleClient.fromConnectionString(text, constructorOf(transport)));
  }

  async closeClients(): Promise<void> {
    await Promise.allSettled(
      this.#clients.splice(0).map((client) => within("close", client.close(), CLOSE_MS)),
    );
  }

  // ---- What the gateway saw ----

  /** What an identity has in the event log: `device`, or `device/module`. */
  async logged(name: string): Promise<EventView[]> {
    const found: EventView[] = [];
    for (let from = 0; ;) {
      const { events, next } = await this.management.events({ from, limit: EVENTS_PAGE, waitMs: 0 });
      if (events.length === 0) return found;
      found.push(...events.filter(({ deviceId, moduleId }) => nameOf(deviceId, moduleId) === name));
      from = next;
    }
  }

  /** Messages that wait in a queue, those in a consumer's hands included. */
  async queued(endpoint: string): Promise<number> {
    const queues = await this.management.queues();
    return queues.filter((queue) => queue.endpoint === endpoint).reduce((sum, { length }) => sum + length, 0);
  }

  async bodies(name: string): Promise<string[]> {
    return (await this.logged(name)).map(bodyOf);
  }

  /** What an operator is told about clients. */
  async troubles(): Promise<readonly ClientTrouble[]> {
    return (await this.management.status()).hub!.troubles;
  }

  async connections(): Promise<number> {
    return (await this.management.status()).hub!.connections;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeClients();
    await this.process[Symbol.asyncDispose]();
  }
}

const nameOf = (deviceId: string, moduleId: string | null): string =>
  moduleId === null ? deviceId : `${deviceId}/${moduleId}`;

export const bodyOf = ({ bodyBase64 }: EventView): string => Buffer.from(bodyBase64, "base64").toString();

/** A key that nobody has. */
export const wrongKey = (): string => newKeys().primaryKey;

/** Rejects when there is no end to it. */
export function within<T>(what: string, promise: Promise<T>, ms = WAIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
