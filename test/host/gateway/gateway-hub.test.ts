import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGateway, type Gateway, type GatewayStarted } from "../../../host/gateway/gateway.ts";
import { gatewayPaths, initGateway } from "../../../host/folder/gateway-folder.ts";
import { encodeBackup } from "../../../host/store/identity-backup.ts";
import { createManagementClient, type ManagementClient } from "../../../host/management/client.ts";
import { createHubThread, type Hub } from "../../../hub/index.ts";
import { mqttLogin } from "../../../host/management/mqtt-login.ts";
import { createFakeParts, quietLog } from "../fake-parts.ts";

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

/** Files of the gateway that hold one of the texts in the clear. */
async function filesWith(texts: readonly string[]): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map((file) => readFile(file)));
  return files.filter((_, i) => texts.some((text) => contents[i]!.includes(text)));
}

test("keys of devices are in no file of the gateway, and without vault.key it does not start", async () => {
  await start();
  const { primaryKey, secondaryKey } = await client.addDevice({ deviceId: "d1" });
  await gateway.stop();
  const { vaultKey, identities } = gatewayPaths(dir);
  const copy = await readFile(identities);
  const key = await readFile(vaultKey);
  expect(await filesWith([primaryKey, secondaryKey, key.toString().trim()])).toEqual([vaultKey]);

  await rm(vaultKey);
  await expect(start()).rejects.toMatchObject({ code: "SP_VAULT_FILE" });
  await writeFile(vaultKey, `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 });
  await expect(start()).rejects.toMatchObject({ code: "SP_VAULT_SEALED" });
  await writeFile(vaultKey, key);
  await chmod(vaultKey, 0o644);
  await expect(start()).rejects.toMatchObject({ code: "SP_VAULT_FILE" });
  expect(await readFile(identities)).toEqual(copy);

  await chmod(vaultKey, 0o600);
  await start();
  expect(await client.devices()).toMatchObject([{ deviceId: "d1" }]);
  expect(await client.status()).toMatchObject({ storesSetAside: [] });
  expect((await client.login({ deviceId: "d1" }, 60)).password).toMatch(/^SharedAccessSignature /);
});

test("a copy of the identities under another key is not gone on without, when the store is lost", async () => {
  await start();
  await client.addDevice({ deviceId: "d1" });
  await gateway.stop();
  const { vaultKey, store } = gatewayPaths(dir);
  const key = await readFile(vaultKey);
  await rm(store, { recursive: true });
  await writeFile(vaultKey, `${Buffer.alloc(32, 7).toString("base64")}\n`);
  await expect(start()).rejects.toMatchObject({ code: "SP_VAULT_SEALED" });
  await writeFile(vaultKey, key);
  await start();
  expect(await client.devices()).toMatchObject([{ deviceId: "d1" }]);
});

test("a gateway of before there was a key gets one, and seals what it had", async () => {
  const { vaultKey, identities } = gatewayPaths(dir);
  await rm(vaultKey);
  const keys = { primaryKey: "p".repeat(43) + "=", secondaryKey: "s".repeat(43) + "=" };
  const old = { deviceId: "d1", ...keys, enabled: true };
  await writeFile(identities, encodeBackup({ identities: [old], routes: null }));
  await start();
  expect((await stat(vaultKey)).mode & 0o777).toBe(0o600);
  expect(await client.device("d1")).toMatchObject({ authentication: "sas", parent: null, modules: [] });
  await gateway.stop();
  expect(await filesWith([keys.primaryKey, keys.secondaryKey])).toEqual([]);
  await start();
  expect((await hub.identities())[0]).toMatchObject({ authentication: { type: "sas", ...keys } });
});
