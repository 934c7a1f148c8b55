import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGateway, type Gateway, type GatewayStarted } from "../../host/gateway.ts";
import { gatewayPaths, initGateway } from "../../host/gateway-folder.ts";
import { createManagementClient, type ManagementClient } from "../../host/management/client.ts";
import { createHubThread, type Hub } from "../../hub/index.ts";
import { mqttLogin } from "../../host/management/mqtt-login.ts";
import { createFakeParts, quietLog } from "./fake-parts.ts";

// A real hub thread, from the build; the agent alone is not there.

let parent: string;
let dir: string;
let gateway: Gateway;
let client: ManagementClient;
let hub: Hub;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "sp-gateway-hub-"));
  dir = join(parent, "gw");
  const listener = { host: "127.0.0.1", port: 0 };
  await initGateway(dir, {
    gatewayId: "gw",
    hostname: "gw.example",
    listeners: [
      { protocol: "mqtt", ...listener },
      { protocol: "mqtts", ...listener },
    ],
  });
  client = createManagementClient(dir);
});
afterEach(async () => {
  await gateway.stop();
  await rm(parent, { recursive: true });
});

async function start(): Promise<GatewayStarted> {
  const parts = createFakeParts([]);
  gateway = createGateway(
    { dir, log: quietLog, version: "0.0.0" },
    {
      createHub: () => createHubThread(),
      createAgent: (context) => {
        hub = context.hub;
        return parts.createAgent(context);
      },
    },
  );
  return gateway.start();
}

/** Connects as a device that `device add` made, as a plain MQTT client would. */
async function connect(started: GatewayStarted, protocol: "mqtt" | "mqtts", deviceId: string) {
  const login = mqttLogin(await client.addDevice({ deviceId }), "gw.example", Date.now() + 60_000);
  const { port } = started.listeners.find((listener) => listener.protocol === protocol)!;
  const connection = await mqtt.connectAsync(`${protocol}://127.0.0.1:${port}`, {
    clientId: login.clientId,
    username: login.username,
    password: login.password,
    protocolVersion: 4,
    reconnectPeriod: 0,
    ...(protocol === "mqtts"
      ? { ca: await readFile(join(gatewayPaths(dir).tls, "trust-bundle.pem")), servername: "gw.example" }
      : {}),
  });
  return { connection, topic: login.topic };
}

test.for(["mqtt", "mqtts"] as const)("a device added here reaches $upstream over %s", async (protocol) => {
  const started = await start();
  await hub.setRoutes({ routes: { all: { route: "FROM /messages/* INTO $upstream" } }, timeToLiveSecs: 60 });
  const { connection, topic } = await connect(started, protocol, "thermo1");
  await connection.publishAsync(`${topic}level=high`, "41", { qos: 1 });
  await connection.endAsync(true);
  const page = await client.events({ from: 0 });
  expect(page.events).toMatchObject([{ deviceId: "thermo1", moduleId: null, bodyBase64: btoa("41") }]);
  expect(page.events[0]!.properties).toMatchObject([{ name: "level", value: "high" }]);
});

test("a device that was removed is disconnected, and does not come back", async () => {
  const started = await start();
  const { connection } = await connect(started, "mqtt", "thermo1");
  const closed = new Promise<void>((resolve) => connection.once("close", () => resolve()));
  await client.removeDevice("thermo1");
  await closed;
  expect(await client.devices()).toEqual([]);
});

test("devices and events are still there after a restart", async () => {
  const started = await start();
  await hub.setRoutes({ routes: { all: { route: "FROM /messages/* INTO $upstream" } }, timeToLiveSecs: 60 });
  const { connection, topic } = await connect(started, "mqtt", "thermo1");
  await connection.publishAsync(topic, "kept", { qos: 1 });
  await connection.endAsync(true);
  await gateway.stop();
  await start();
  expect(await client.devices()).toMatchObject([{ deviceId: "thermo1" }]);
  expect((await client.events({ tail: 1 })).events).toMatchObject([{ bodyBase64: btoa("kept") }]);
});

test("who waits for events is answered when one comes", async () => {
  const started = await start();
  await hub.setRoutes({ routes: { all: { route: "FROM /messages/* INTO $upstream" } }, timeToLiveSecs: 60 });
  const { connection, topic } = await connect(started, "mqtt", "thermo1");
  const waiting = client.events({ from: 0, waitMs: 10_000 });
  await connection.publishAsync(topic, "now", { qos: 1 });
  expect((await waiting).events).toHaveLength(1);
  await connection.endAsync(true);
});
