/** Microsoft's device SDK, unchanged, behind TLS: twins and methods over MQTT and AMQP. */
import { rmSync } from "node:fs";
import device, {
  type Client,
  type DeviceMethodRequest,
  type DeviceMethodResponse,
  type ModuleClient,
  type Twin,
} from "azure-iot-device";
import amqpTransport from "azure-iot-device-amqp";
import mqttTransport from "azure-iot-device-mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { buildConnectionString } from "../../../hub/identity/connection-string.ts";
import { GATEWAY, startHub, type TestHub } from "../../support/hub.ts";
import { selfSigned } from "../mqtt/certificate.ts";

const tls = selfSigned();
let hub: TestHub;
beforeAll(async () => {
  hub = await startHub({ tls });
});

const clients: (Client | ModuleClient)[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});
afterAll(async () => {
  await hub.stop();
  rmSync(hub.dir, { recursive: true });
});

const TRANSPORTS = { mqtt: mqttTransport.Mqtt, amqp: amqpTransport.Amqp } as const;
type Protocol = keyof typeof TRANSPORTS;

function connectionString(protocol: Protocol, { deviceId, moduleId, primaryKey }: KeyedIdentity): string {
  const module = moduleId === undefined ? {} : { moduleId };
  const text = buildConnectionString({ deviceId, ...module, hostName: GATEWAY, sharedAccessKey: primaryKey });
  return `${text};GatewayHostName=localhost:${hub.tlsPorts[protocol]}`;
}

async function open<T extends Client | ModuleClient>(client: T): Promise<T> {
  await client.setOptions({ ca: tls.cert });
  await client.open();
  clients.push(client);
  return client;
}

const deviceClient = (protocol: Protocol, identity: KeyedIdentity): Promise<Client> =>
  open(device.Client.fromConnectionString(connectionString(protocol, identity), TRANSPORTS[protocol]));
const moduleClient = (protocol: Protocol, identity: KeyedIdentity): Promise<ModuleClient> =>
  open(device.ModuleClient.fromConnectionString(connectionString(protocol, identity), TRANSPORTS[protocol]));

/** Resolves with what the SDK tells of that version. It tells a new listener what it has, and then what comes. */
const desiredOf = (twin: Twin, version: number): Promise<Record<string, unknown>> =>
  new Promise((resolve) => {
    twin.on("properties.desired", (patch: Record<string, unknown>) => {
      if (patch["$version"] === version) resolve(patch);
    });
  });

function report(twin: Twin, patch: object): Promise<void> {
  return new Promise((resolve, reject) =>
    twin.properties.reported.update(patch, (error: Error | null) => (error ? reject(error) : resolve())),
  );
}

describe.each(["mqtt", "amqp"] as const)("over %s", (protocol) => {
  test.for(["device", "module"] as const)(
    "a %s reads its twin, reports, and hears of desired properties",
    async (kind) => {
      const identity = await hub.identity(`twin1-${protocol}`, kind === "module" ? "m" : undefined);
      const { deviceId, moduleId = null } = identity;
      await hub.hub.changeTwin(deviceId, moduleId, { section: "desired", patch: { period: 5 } });

      const client =
        kind === "module" ? await moduleClient(protocol, identity) : await deviceClient(protocol, identity);
      const twin = await client.getTwin();
      expect(twin.properties.desired).toMatchObject({ period: 5, $version: 2 });

      await report(twin, { firmware: { version: "1.2" }, spare: 1 });
      await report(twin, { spare: null });
      const { properties } = await hub.hub.twin(deviceId, moduleId);
      expect(properties.reported).toMatchObject({ firmware: { version: "1.2" }, $version: 3 });
      expect(properties.reported).not.toHaveProperty("spare");

      await desiredOf(twin, 2);
      const desired = desiredOf(twin, 3);
      await hub.hub.changeTwin(deviceId, moduleId, { section: "desired", patch: { mode: "eco" } });
      expect(await desired).toMatchObject({ mode: "eco", $version: 3 });
    },
  );

  test("a patch that breaks a limit fails in the SDK with a reason, and changes nothing", async () => {
    const identity = await hub.identity(`twin2-${protocol}`);
    const twin = await (await deviceClient(protocol, identity)).getTwin();
    await expect(report(twin, { "a b": 1 })).rejects.toMatchObject({
      message: expect.stringContaining('"a b"') as string,
    });
    expect((await hub.hub.twin(identity.deviceId, null)).properties.reported).toMatchObject({ $version: 1 });
  });

  test("a method is called with its payload, and its answer comes back with its own status", async () => {
    const client = await deviceClient(protocol, await hub.identity(`callee-${protocol}`));
    client.onDeviceMethod("reboot", (request: DeviceMethodRequest, response: DeviceMethodResponse) => {
      void response.send(202, { after: request.payload as unknown });
    });
    const call = { methodName: "reboot", payload: { seconds: 5 }, connectTimeoutInSeconds: 5 };
    expect(await hub.hub.invokeMethod(`callee-${protocol}`, null, call)).toEqual({
      status: 202,
      payload: { after: { seconds: 5 } },
    });
  });

  test("a module's method is called, without a payload too", async () => {
    const client = await moduleClient(protocol, await hub.identity(GATEWAY, `callee-${protocol}`));
    client.onMethod("ping", (request, response) => {
      void response!.send(200, { had: request!.payload as unknown });
    });
    const call = { methodName: "ping", connectTimeoutInSeconds: 5 };
    expect(await hub.hub.invokeMethod(GATEWAY, `callee-${protocol}`, call)).toEqual({
      status: 200,
      payload: { had: null },
    });
  });

  test("a client whose identity is removed is disconnected, and does not come back", async () => {
    const client = await deviceClient(protocol, await hub.identity(`removed-${protocol}`));
    const gone = new Promise<void>((resolve) => client.once("disconnect", () => resolve()));
    client.setRetryPolicy(new (await import("azure-iot-common")).NoRetry());
    await client.getTwin();
    await hub.hub.removeIdentity(`removed-${protocol}`);
    await gone;
    expect(await hub.hub.clients()).toEqual([]);
  });
});

test("a device that connects by another protocol is there once: the older connection ends", async () => {
  const identity = await hub.identity("moves");
  const old = await deviceClient("mqtt", identity);
  old.setRetryPolicy(new (await import("azure-iot-common")).NoRetry());
  const gone = new Promise<void>((resolve) => old.once("disconnect", () => resolve()));
  await (await deviceClient("amqp", identity)).getTwin();
  await gone;
  expect(await hub.hub.clients()).toMatchObject([{ deviceId: "moves" }]);
});
