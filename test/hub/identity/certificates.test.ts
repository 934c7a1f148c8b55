/** Devices that show a certificate, over MQTT and AMQP, through TLS. Those with Microsoft's SDK are in `test/sdk/`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createHubThread, type HubThread } from "../../../hub/thread/client.ts";
import type { Authentication } from "../../../hub/face.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import {
  makeCertificate,
  makeShortLived,
  thumbprintOf,
  type TestCertificate,
} from "../../support/device-certificate.ts";
import { TEST_STORE } from "../../support/hub.ts";
import { connectRaw, eventsOf, within } from "../amqp/raw-client.ts";
import { selfSigned } from "../mqtt/certificate.ts";

const server = selfSigned();
const authority = makeCertificate("Device authority", { isAuthority: true });
const stranger = makeCertificate("Another authority", { isAuthority: true });
const own = makeCertificate("pinned");
const dir = mkdtempSync(join(tmpdir(), "sandpiper-x509-"));
let hub: HubThread;
let mqttsPort: number;
let amqpsPort: number;

const pinnedTo = (certificate: TestCertificate): Authentication => ({
  type: "selfSigned",
  primaryThumbprint: "",
  secondaryThumbprint: thumbprintOf(certificate),
});

beforeAll(async () => {
  hub = createHubThread();
  const tls = { ...server, deviceAuthorities: authority.cert };
  const started = await hub.start({
    gatewayId: "gw",
    hostNames: ["localhost"],
    storeDir: dir,
    listeners: [
      { protocol: "mqtts", host: "127.0.0.1", port: 0, tls },
      { protocol: "amqps", host: "127.0.0.1", port: 0, tls },
    ],
    store: TEST_STORE,
  });
  [mqttsPort, amqpsPort] = started.listeners.map(({ port }) => port) as [number, number];
  await hub.setRoutes({ routes: { up: { route: "FROM /messages/* INTO $upstream" } }, timeToLiveSecs: 60 });
  const add = (deviceId: string, authentication: Authentication) =>
    hub.addIdentity({ deviceId, authentication, enabled: true });
  await add("pinned", pinnedTo(own));
  await add("signed", { type: "certificateAuthority" });
  await add("keyed", { type: "sas", ...newKeys() });
  await hub.addIdentity({ deviceId: "signed", moduleId: "m", ...newKeys(), enabled: true });
});
const clients: MqttClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.endAsync(true);
});
afterAll(async () => {
  await hub.close();
  rmSync(dir, { recursive: true });
});

async function connect(name: string, shown: TestCertificate): Promise<MqttClient> {
  const client = await mqtt.connectAsync(`mqtts://localhost:${mqttsPort}`, {
    clientId: name,
    username: `localhost/${name}/?api-version=2021-04-12`,
    ca: server.cert,
    cert: shown.cert,
    key: shown.key,
    reconnectPeriod: 0,
  });
  clients.push(client);
  return client;
}

test.for<[string, string, TestCertificate]>([
  ["pinned", "pinned", own],
  ["signed by a device authority", "signed", makeCertificate("signed", { signer: authority })],
])("MQTT without a password takes a certificate that is %s", async ([, name, shown]) => {
  const client = await connect(name, shown);
  await client.publishAsync(`devices/${name}/messages/events/`, "x", { qos: 1 });
  const { events } = await hub.readEvents({ from: 0, limit: 100, waitMs: 0 });
  expect(events.map(({ deviceId }) => deviceId)).toContain(name);
});

test.for<[string, string, TestCertificate, string]>([
  ["another than the pinned", "pinned", makeCertificate("pinned"), "another one than those that are pinned"],
  ["of another authority", "signed", makeCertificate("signed", { signer: stranger }), "of no authority"],
  ["signed by itself", "signed", makeCertificate("signed"), "of no authority"],
  ["for another device", "signed", makeCertificate("pinned", { signer: authority }), "for another device id"],
  ["of a device with keys", "keyed", makeCertificate("keyed", { signer: authority }), "registered with keys"],
  ["of a module", "signed/m", makeCertificate("signed", { signer: authority }), "registered with keys"],
  ["of nobody", "nobody", makeCertificate("nobody", { signer: authority }), "no such device"],
])("MQTT refuses a certificate %s", async ([, name, shown, why]) => {
  await expect(connect(name, shown)).rejects.toThrow("Not authorized");
  const { troubles } = await hub.status();
  expect(troubles.find(({ client }) => client === name)?.what).toContain(why);
});

const rawOver = (shown: TestCertificate) =>
  connectRaw(
    { amqpPort: amqpsPort },
    { transport: "tls", ca: server.cert, ...shown, servername: "localhost" },
  );
const eventsAt = (deviceId: string, moduleId?: string) =>
  eventsOf({
    deviceId,
    ...(moduleId === undefined ? {} : { moduleId }),
    primaryKey: "",
    secondaryKey: "",
    enabled: true,
  });

test.for<[string, TestCertificate, string]>([
  ["of another authority", makeCertificate("signed", { signer: stranger }), "of no authority"],
  ["of nobody", makeCertificate("nobody", { signer: authority }), "no device of this certificate"],
  ["of a device with keys", makeCertificate("keyed", { signer: authority }), "registered with keys"],
])("AMQP takes no link by a certificate %s", async ([, shown, why]) => {
  const client = rawOver(shown);
  await expect(within("link", client.sender(eventsAt("signed")))).rejects.toThrow();
  client.close();
  const { troubles } = await hub.status();
  expect(troubles.map(({ what }) => what)).toContainEqual(expect.stringContaining(why));
});

test("over AMQP a certificate is good for its device alone, not for another or its modules", async () => {
  const client = rawOver(makeCertificate("signed", { signer: authority }));
  await within("link", client.sender(eventsAt("signed")));
  await expect(within("link", client.sender(eventsAt("pinned")))).rejects.toThrow();
  await expect(within("link", client.sender(eventsAt("signed", "m")))).rejects.toThrow();
  client.close();
});

test("a connection ends with its certificate, over MQTT and AMQP", async () => {
  const [forMqtt, forAmqp] = await Promise.all(
    ["short1", "short2"].map((name) => makeShortLived(name, 3_000)),
  );
  for (const [deviceId, shown] of [
    ["short1", forMqtt!],
    ["short2", forAmqp!],
  ] as const)
    await hub.addIdentity({ deviceId, authentication: pinnedTo(shown), enabled: true });
  const client = await connect("short1", forMqtt!);
  const closed = new Promise((resolve) => client.once("close", () => resolve("closed")));
  const amqp = rawOver(forAmqp!);
  await within("link", amqp.sender(eventsAt("short2")));
  expect(await within("end", closed)).toBe("closed");
  expect(await within("end", amqp.ended)).toBe("amqp:unauthorized-access");
  await expect(connect("short1", forMqtt!)).rejects.toThrow("Not authorized");
});

test("a device that is disabled is disconnected, and refused from then on", async () => {
  const client = await connect("pinned", own);
  const closed = new Promise((resolve) => client.once("close", () => resolve("closed")));
  await hub.changeIdentity({ deviceId: "pinned", enabled: false });
  expect(await within("end", closed)).toBe("closed");
  await expect(connect("pinned", own)).rejects.toThrow("Not authorized");
  await hub.changeIdentity({ deviceId: "pinned", enabled: true });
  expect((await connect("pinned", own)).connected).toBe(true);
});
