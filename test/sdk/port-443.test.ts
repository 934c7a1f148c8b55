/**
 * Microsoft's device SDK in WebSockets, unchanged, against a hub in its thread and behind TLS. It knows one port,
 * 443: where that cannot be bound (no permission, or in use) these tests are left out.
 */
import { createServer } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import amqpTransport from "azure-iot-device-amqp";
import device from "azure-iot-device";
import mqttTransport from "azure-iot-device-mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHubThread, type HubThread } from "../../hub/thread/client.ts";
import { buildConnectionString } from "../../hub/identity/connection-string.ts";
import { newKeys } from "../../hub/identity/keys.ts";
import { GATEWAY, TEST_STORE } from "../support/hub.ts";
import { within } from "./harness.ts";
import { selfSigned } from "../hub/mqtt/certificate.ts";

const PORT = 443;

const canBind = await new Promise<boolean>((resolve) => {
  const server = createServer();
  server.on("error", () => resolve(false));
  server.listen(PORT, "127.0.0.1", () => server.close(() => resolve(true)));
});

describe.skipIf(!canBind)("with port 443", () => {
  const tls = selfSigned();
  const dir = mkdtempSync(join(tmpdir(), "sandpiper-ws-"));
  let hub: HubThread;

  beforeAll(async () => {
    hub = createHubThread();
    await hub.start({
      gatewayId: GATEWAY,
      hostNames: ["localhost"],
      storeDir: dir,
      listeners: [{ protocol: "https", host: "127.0.0.1", port: PORT, tls }],
      store: TEST_STORE,
    });
    const up = { route: "FROM /messages/* INTO $upstream" };
    await hub.setRoutes({ routes: { up }, timeToLiveSecs: 7200 });
  });
  afterAll(async () => {
    await hub.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test.each([
    ["MqttWs", mqttTransport.MqttWs],
    ["AmqpWs", amqpTransport.AmqpWs],
  ] as const)(
    "%s sends telemetry with properties, and each message arrives once",
    async (name, transport) => {
      const identity = { deviceId: name, ...newKeys(), enabled: true };
      await hub.addIdentity(identity);
      const text = buildConnectionString({
        hostName: GATEWAY,
        deviceId: name,
        sharedAccessKey: identity.primaryKey,
        gatewayHostName: "localhost",
      });
      const client = device.Client.fromConnectionString(text, transport);
      await client.setOptions({ ca: tls.cert });
      await within("connection", client.open());
      const bodies = ["small", "b".repeat(200_000)];
      for (const body of bodies) {
        const message = new device.Message(body);
        message.properties.add("level", "high");
        await within("acknowledgement", client.sendEvent(message));
      }
      await client.close();
      const { events } = await hub.readEvents({ from: 0, limit: 100, waitMs: 0 });
      const own = events.filter(({ deviceId }) => deviceId === name);
      expect(own.map(({ body }) => Buffer.from(body).toString())).toEqual(bodies);
      expect(own[0]!.properties).toEqual([expect.objectContaining({ name: "level", value: "high" })]);
    },
  );
});
