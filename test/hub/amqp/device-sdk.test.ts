/** Microsoft's device SDK over AMQP, unchanged, against a hub in its thread and behind TLS. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import amqpTransport from "azure-iot-device-amqp";
import device, { type Client, type Message as SdkMessage, type ModuleClient } from "azure-iot-device";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createHubThread, type HubThread } from "../../../hub/thread/client.ts";
import { STORE_DEFAULTS, type KeyedIdentity } from "../../../hub/face.ts";
import { buildConnectionString } from "../../../hub/identity/connection-string.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { GATEWAY } from "../../support/hub.ts";
import { selfSigned } from "../mqtt/certificate.ts";
import { within } from "./raw-client.ts";

const ROUTES = {
  up: { route: "FROM /messages/* INTO $upstream" },
  in: { route: 'FROM /messages/modules/src/outputs/out INTO BrokeredEndpoint("/modules/dst/inputs/in")' },
};

const tls = selfSigned();
const dir = mkdtempSync(join(tmpdir(), "sandpiper-sdk-"));
let hub: HubThread;
let port: number;

async function startHub(at: number): Promise<void> {
  hub = createHubThread();
  const listener = { protocol: "amqps", host: "127.0.0.1", port: at, tls } as const;
  const started = await hub.start({
    gatewayId: GATEWAY,
    hostNames: ["localhost"],
    storeDir: dir,
    listeners: [listener],
    store: STORE_DEFAULTS,
  });
  port = started.listeners[0]!.port;
}

beforeAll(async () => {
  await startHub(0);
  await hub.setRoutes({ routes: ROUTES, timeToLiveSecs: 7200 });
});

const clients: (Client | ModuleClient)[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});
afterAll(async () => {
  await hub.close();
  rmSync(dir, { recursive: true, force: true });
});

async function identity(deviceId: string, moduleId?: string): Promise<KeyedIdentity> {
  const one = { deviceId, ...(moduleId === undefined ? {} : { moduleId }), ...newKeys(), enabled: true };
  await hub.addIdentity(one);
  return one;
}

function connectionString({ deviceId, moduleId, primaryKey }: KeyedIdentity): string {
  const module = moduleId === undefined ? {} : { moduleId };
  const gatewayHostName = `localhost:${port}`;
  return buildConnectionString({
    hostName: GATEWAY,
    deviceId,
    ...module,
    sharedAccessKey: primaryKey,
    gatewayHostName,
  });
}

async function open<C extends Client | ModuleClient>(client: C): Promise<C> {
  clients.push(client);
  await client.setOptions({ ca: tls.cert });
  await within("connection", client.open());
  return client;
}

const openDevice = (one: KeyedIdentity): Promise<Client> =>
  open(device.Client.fromConnectionString(connectionString(one), amqpTransport.Amqp));
const openModule = (one: KeyedIdentity): Promise<ModuleClient> =>
  open(device.ModuleClient.fromConnectionString(connectionString(one), amqpTransport.Amqp));

const logged = async (from: string) => {
  const { events } = await hub.readEvents({ from: 0, limit: 1000, waitMs: 0 });
  return events.filter(
    ({ deviceId, moduleId }) => (moduleId === null ? deviceId : `${deviceId}/${moduleId}`) === from,
  );
};

test("a device sends telemetry with properties, ids and content type, and each arrives", async () => {
  const client = await openDevice(await identity("d1"));
  for (let i = 0; i < 3; i++) {
    const message = new device.Message(`{"n":${i}}`);
    message.messageId = "5b1a1e5c-4b0a-4c58-8c4a-7a4e0f5c1c11"; // sent as a uuid
    message.correlationId = `c${i}`;
    message.contentType = "application/json";
    message.contentEncoding = "utf-8";
    message.properties.add("level", "högh/&");
    await within("acknowledgement", client.sendEvent(message));
  }
  const events = await logged("d1");
  expect(events.map(({ body }) => Buffer.from(body).toString())).toEqual(['{"n":0}', '{"n":1}', '{"n":2}']);
  const system = Object.fromEntries(events[2]!.systemProperties.map(({ name, value }) => [name, value]));
  expect(system).toMatchObject({
    messageId: "5b1a1e5c-4b0a-4c58-8c4a-7a4e0f5c1c11",
    correlationId: "c2",
    contentType: "application/json",
    contentEncoding: "utf-8",
  });
  expect(events[2]!.properties.map(({ name, value }) => [name, value])).toEqual([["level", "högh/&"]]);
});

test("a module's output is another module's input, and completed there", async () => {
  const [source, sink] = [await identity(GATEWAY, "src"), await identity(GATEWAY, "dst")];
  const consumer = await openModule(sink);
  const arrived = new Promise<[string, SdkMessage]>((resolve) => {
    consumer.on("inputMessage", (input: string, message: SdkMessage) => resolve([input, message]));
  });
  const producer = await openModule(source);
  const message = new device.Message("hello");
  message.properties.add("k", "v");
  message.contentType = "application/json";
  await within("acknowledgement", producer.sendOutputEvent("out", message));
  const [input, received] = await within("input message", arrived);
  expect(input).toBe("in");
  expect(Buffer.from(received.getData() as Buffer).toString()).toBe("hello");
  expect(received.contentType).toBe("application/json");
  expect(received.properties.getValue("k")).toBe("v");
  await consumer.complete(received);
  await expect
    .poll(async () => (await hub.queues()).find(({ endpoint }) => endpoint === "dst/in")!.length)
    .toBe(0);
  expect((await logged("gw/src"))[0]).toMatchObject({ output: "out" });
});

test("a wrong key is an UnauthorizedError", async () => {
  const one = await identity("d2");
  const client = device.Client.fromConnectionString(
    connectionString({ ...one, primaryKey: newKeys().primaryKey }),
    amqpTransport.Amqp,
  );
  await client.setOptions({ ca: tls.cert });
  await expect(within("refusal", client.open())).rejects.toMatchObject({ name: "UnauthorizedError" });
});

test("a client goes on by itself after the gateway has restarted, and nothing acknowledged is lost", async () => {
  const client = await openDevice(await identity("d3"));
  let acknowledged = 0;
  const send = async (text: string) => {
    await client.sendEvent(new device.Message(text));
    acknowledged++;
  };
  await send("before");
  await hub.close();
  const sending = send("after"); // retried by the SDK until there is a gateway again
  await startHub(port);
  await within("acknowledgement", sending);
  expect(acknowledged).toBe(2);
  expect((await logged("d3")).map(({ body }) => Buffer.from(body).toString())).toEqual(["before", "after"]);
});
