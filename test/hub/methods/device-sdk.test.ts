/** Microsoft's SDK, unchanged: one module calls another's method over HTTPS. */
import { mkdtempSync, rmSync } from "node:fs";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import device, { type ModuleClient } from "azure-iot-device";
import mqttTransport from "azure-iot-device-mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { LocalHub } from "../../../hub/hub.ts";
import { buildConnectionString } from "../../../hub/identity/connection-string.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { GATEWAY, TEST_STORE } from "../../support/hub.ts";
import { selfSigned } from "../mqtt/certificate.ts";

const tls = selfSigned();
const dir = mkdtempSync(join(tmpdir(), "sandpiper-methods-"));
const hub = new LocalHub((error) => expect.unreachable(error.message));
/** The SDK asks port 443 unless its agent knows another. */
const agent = new Agent({ keepAlive: false });
let mqttPort: number;

beforeAll(async () => {
  const started = await hub.start({
    gatewayId: GATEWAY,
    hostNames: ["localhost"],
    storeDir: dir,
    listeners: (["mqtts", "https"] as const).map((protocol) => {
      return { protocol, host: "127.0.0.1", port: 0, tls };
    }),
    store: TEST_STORE,
  });
  mqttPort = started.listeners[0]!.port;
  Object.assign(agent, { defaultPort: started.listeners[1]!.port });
});
const clients: ModuleClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});
afterAll(async () => {
  await hub.close();
  rmSync(dir, { recursive: true, force: true });
});

async function identity(moduleId: string, deviceId = GATEWAY): Promise<KeyedIdentity> {
  const one = { deviceId, moduleId, ...newKeys(), enabled: true };
  await hub.addIdentity(one);
  return one;
}

/** `gatewayHostName`: with a port for MQTT; HTTPS takes none. */
async function client(of: KeyedIdentity, gatewayHostName: string): Promise<ModuleClient> {
  const { deviceId, moduleId, primaryKey } = of;
  const text = buildConnectionString({
    hostName: GATEWAY,
    deviceId,
    moduleId: moduleId!,
    sharedAccessKey: primaryKey,
    gatewayHostName,
  });
  const made = device.ModuleClient.fromConnectionString(text, mqttTransport.Mqtt);
  await made.setOptions({ ca: tls.cert, http: { agent } });
  return made;
}

const caller = (of: KeyedIdentity): Promise<ModuleClient> => client(of, "localhost");

async function callee(name: string): Promise<ModuleClient> {
  const made = await client(await identity(name), `localhost:${mqttPort}`);
  await made.open();
  clients.push(made);
  return made;
}

const call = (
  from: ModuleClient,
  target: string,
  change: Partial<Parameters<ModuleClient["invokeMethod"]>[2] & object> = {},
): Promise<unknown> =>
  from.invokeMethod(GATEWAY, target, {
    methodName: "open",
    payload: { valve: 3 },
    connectTimeoutInSeconds: 0,
    responseTimeoutInSeconds: 5,
    ...change,
  } as never) as unknown as Promise<unknown>;

test("a module calls another's method with a payload, and has its status and answer", async () => {
  const target = await callee("valve");
  target.onMethod("open", (request, response) => {
    void response!.send(207, { opened: (request!.payload as { valve: number }).valve });
  });
  const from = await caller(await identity("asks"));
  const wait = { connectTimeoutInSeconds: 5 };
  expect(await call(from, "valve", wait)).toEqual({ status: 207, payload: { opened: 3 } });
});

test("a module calls a device's method", async () => {
  const leaf = { deviceId: "leaf", ...newKeys(), enabled: true };
  await hub.addIdentity(leaf);
  const text = buildConnectionString({
    hostName: GATEWAY,
    deviceId: "leaf",
    sharedAccessKey: leaf.primaryKey,
    gatewayHostName: `localhost:${mqttPort}`,
  });
  const target = device.Client.fromConnectionString(text, mqttTransport.Mqtt);
  await target.setOptions({ ca: tls.cert });
  await target.open();
  target.onDeviceMethod("reboot", (_request, response) => void response.send(200, { soon: true }));
  const from = await caller(await identity("asks-device"));
  const params = { methodName: "reboot", payload: null, connectTimeoutInSeconds: 5 };
  const result = from.invokeMethod("leaf", { ...params, responseTimeoutInSeconds: 5 });
  expect(await result).toEqual({ status: 200, payload: { soon: true } });
  await target.close();
});

describe("the SDK's error says what is wrong:", () => {
  test("nobody is there to be called", async () => {
    const from = await caller(await identity("asks-nobody"));
    await expect(call(from, "nobody")).rejects.toMatchObject({
      message: "Not found",
      responseBody: expect.stringContaining("404103") as string,
    });
  });

  test("the callee does not answer in time", async () => {
    const target = await callee("silent");
    target.onMethod("open", () => {});
    const from = await caller(await identity("asks-silent"));
    // The SDK has a time-out of its own; here it is after the hub's.
    const wait = { responseTimeoutInSeconds: 5, connectTimeoutInSeconds: 5 };
    await expect(call(from, "silent", wait)).rejects.toMatchObject({
      name: "GatewayTimeoutError",
      responseBody: expect.stringContaining("504101") as string,
    });
  }, 15_000);

  test("the token is signed with a wrong key", async () => {
    const from = await caller({ ...(await identity("forger")), ...newKeys() });
    await expect(call(from, "valve")).rejects.toMatchObject({ name: "UnauthorizedError" });
  });

  test("the caller is a module of a device behind the gateway", async () => {
    await hub.addIdentity({ deviceId: "other", ...newKeys(), enabled: true });
    const from = await caller(await identity("m", "other"));
    await expect(call(from, "valve")).rejects.toMatchObject({ name: "UnauthorizedError" });
  });

  test("the caller is disabled", async () => {
    const of = await identity("switched-off");
    const from = await caller(of);
    await hub.changeIdentity({ deviceId: GATEWAY, moduleId: "switched-off", enabled: false });
    await expect(call(from, "valve")).rejects.toMatchObject({ name: "UnauthorizedError" });
  });

  test("the request breaks a limit", async () => {
    const from = await caller(await identity("asks-too-long"));
    await expect(call(from, "valve", { methodName: "x".repeat(101) })).rejects.toMatchObject({
      name: "ArgumentError",
    });
  });
});
