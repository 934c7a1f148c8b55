/** Cloud-to-device messages over MQTT: topics, sessions that are kept, and what is in hand when a connection goes. */
import { expect, test } from "vitest";
import { startHub, type TestHub } from "../../support/hub.ts";
import { RawClient } from "../../support/faults/raw-client.ts";
import { until } from "../../support/faults/window.ts";
import type { KeyedIdentity } from "../../../hub/face.ts";

const FILTER = "devices/d/messages/devicebound/#";

interface Delivery {
  readonly packetId: number | undefined;
  readonly topic: string;
  readonly body: string;
  readonly isDup: boolean;
}

async function connect(hub: TestHub, identity: KeyedIdentity, isKept = false) {
  const got: Delivery[] = [];
  const client = new RawClient(hub.port, identity, {
    isKept,
    onPublish: ({ messageId, topic, payload, dup }) =>
      got.push({ packetId: messageId, topic, body: String(payload), isDup: dup }),
  });
  await client.connected;
  return { client, got, bodies: () => got.map(({ body }) => body) };
}

async function gone(client: RawClient): Promise<void> {
  client[Symbol.dispose]();
  await client.closed;
}

const send = (hub: TestHub, text: string, more: object = {}) =>
  hub.hub.sendDevicebound("d", { body: Buffer.from(text), messageId: text, ...more });
const waitingIn = async (hub: TestHub) =>
  (await hub.hub.devicebound("d")).map(({ messageId, deliveryCount }) => `${messageId} ${deliveryCount}`);

test("the topic has the properties in the contract's names, encoded, and no sender", async () => {
  await using hub = await startHub();
  const identity = await hub.identity("d");
  const { client, got } = await connect(hub, identity);
  await client.subscribe(FILTER);
  await send(hub, "m/1", { ack: "full", contentType: "text/plain", properties: { "a b": "ä" } });
  await until("delivered", () => got.length === 1);
  expect(got[0]!.topic).toBe(
    "devices/d/messages/devicebound/%24.mid=m%2F1&%24.to=%2Fdevices%2Fd%2Fmessages%2Fdevicebound" +
      "&%24.ct=text%2Fplain&ack=full&a%20b=%C3%A4",
  );
  await gone(client);
});

test("a PUBACK completes; what has none comes again to the next connection, under its packet id, counted [J25 MQTT-4.4.0-1]", async () => {
  await using hub = await startHub();
  const identity = await hub.identity("d");
  const first = await connect(hub, identity, true);
  await first.client.subscribe(FILTER);
  for (const text of ["a", "b", "c"]) await send(hub, text);
  await until("delivered", () => first.got.length === 3);
  first.client.puback(first.got[1]!.packetId!);
  await expect.poll(() => waitingIn(hub)).toEqual(["a 1", "c 1"]);
  await gone(first.client);

  const again = await connect(hub, identity, true);
  await until("delivered again", () => again.got.length === 2);
  expect(again.got.map(({ body, isDup, packetId }) => [body, isDup, packetId])).toEqual([
    ["a", true, first.got[0]!.packetId],
    ["c", true, first.got[2]!.packetId],
  ]);
  for (const { packetId } of again.got) again.client.puback(packetId!);
  await expect.poll(() => waitingIn(hub)).toEqual([]);
  await gone(again.client);
});

test("a session that is kept gets what was sent while it was away, over a restart of the gateway too [J1]", async () => {
  const first = await startHub();
  const identity = await first.identity("d");
  const { client } = await connect(first, identity, true);
  await client.subscribe(FILTER);
  await gone(client);
  await send(first, "a");
  await first.stop();
  await using hub = await startHub({ dir: first.dir });
  await send(hub, "b");
  const again = await connect(hub, identity, true);
  await until("delivered", () => again.got.length === 2);
  expect(again.bodies()).toEqual(["a", "b"]);
  await gone(again.client);
});

test("with QoS 0 a message is completed by being sent; who unsubscribes gets no more", async () => {
  await using hub = await startHub();
  const identity = await hub.identity("d");
  const { client, got, bodies } = await connect(hub, identity);
  await client.subscribe(FILTER, 0);
  await send(hub, "a", { ack: "positive" });
  await until("delivered", () => got.length === 1);
  expect(got[0]!.packetId).toBeUndefined();
  await expect
    .poll(async () => (await hub.hub.readFeedback({ limit: 9, waitMs: 0 })).records)
    .toHaveLength(1);
  await client.unsubscribe(FILTER);
  await send(hub, "b");
  await client.ping();
  expect([bodies(), await waitingIn(hub)]).toEqual([["a"], ["b 0"]]);
  await client.subscribe(FILTER);
  await until("delivered", () => got.length === 2);
  await gone(client);
});

test("a device that subscribes again keeps what it has in hand [MQTT-3.8.4-3]", async () => {
  await using hub = await startHub();
  const { client, got } = await connect(hub, await hub.identity("d"));
  await client.subscribe(FILTER);
  await send(hub, "a");
  await until("delivered", () => got.length === 1);
  await client.subscribe("$iothub/methods/POST/#");
  await client.subscribe(FILTER);
  await client.ping();
  await expect.poll(() => waitingIn(hub)).toEqual(["a 1"]);
  expect(got).toHaveLength(1);
  await gone(client);
});

test("a device that is disabled keeps its queue, one that is removed loses it", async () => {
  await using hub = await startHub();
  const identity = await hub.identity("d");
  const { client, got } = await connect(hub, identity);
  await client.subscribe(FILTER);
  await send(hub, "a");
  await until("delivered", () => got.length === 1);
  await hub.hub.changeIdentity({ deviceId: "d", enabled: false });
  await client.closed;
  await send(hub, "b");
  expect((await waitingIn(hub)).map((text) => text.slice(0, 1))).toEqual(["a", "b"]);
  const row = (await hub.hub.queues()).find(({ kind }) => kind === "devicebound");
  expect(row).toMatchObject({
    endpoint: "$c2d/d",
    length: 2,
    inFlight: 0,
    overflow: "refuse",
    consumer: null,
  });
  await hub.hub.removeIdentity("d");
  await expect(waitingIn(hub)).rejects.toMatchObject({ code: "SP_IDENTITY_UNKNOWN" });
  await hub.identity("d");
  expect(await waitingIn(hub)).toEqual([]);
  expect((await hub.hub.queues()).some(({ kind }) => kind === "devicebound")).toBe(false);
});

test("a module that subscribes gets none of its device's messages", async () => {
  await using hub = await startHub();
  await hub.identity("d");
  const { client, got } = await connect(hub, await hub.identity("d", "m"));
  await client.subscribe(FILTER);
  await send(hub, "a");
  await client.ping();
  expect([got, await waitingIn(hub)]).toEqual([[], ["a 0"]]);
  await gone(client);
});
