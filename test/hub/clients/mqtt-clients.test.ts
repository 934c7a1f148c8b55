/** Clients over MQTT against a real hub: sessions, twins and methods by their topics (contract §4). */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import type { IClientOptions, MqttClient } from "mqtt";
import { describe, expect, test, vi } from "vitest";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { CLOCK_SKEW_MS } from "../../../hub/identity/sas.ts";
import { credentials, GATEWAY, startHub, type TestHub } from "../../support/hub.ts";

const KEPT: IClientOptions = { clean: false };
const hasMosquitto = spawnSync("mosquitto_sub", ["--help"]).error === undefined;

/** What arrives at a client, by topic and text, from before it is connected on. */
interface Heard {
  readonly topic: string;
  readonly body: string;
}

function listen(client: MqttClient): Heard[] {
  const heard: Heard[] = [];
  client.on("message", (topic, body) => heard.push({ topic, body: body.toString() }));
  return heard;
}

/** As `connect`, with what the session brings along: it may come in one piece with CONNACK. */
async function resume(
  hub: TestHub,
  identity: KeyedIdentity,
): Promise<{ client: MqttClient; heard: Heard[]; isPresent: boolean }> {
  const mqtt = (await import("mqtt")).default;
  const client = mqtt.connect(`mqtt://127.0.0.1:${hub.port}`, { ...credentials(identity), ...KEPT });
  const heard = listen(client);
  const isPresent = await new Promise<boolean>((resolve, reject) => {
    client.once("connect", ({ sessionPresent }) => resolve(sessionPresent)).once("error", reject);
  });
  return { client, heard, isPresent };
}

async function answerTo(client: MqttClient, heard: Heard[], topic: string, body: string): Promise<Heard> {
  const before = heard.length;
  client.publish(topic, body, { qos: 0 });
  await vi.waitUntil(() => heard.length > before);
  return heard[before]!;
}

describe("a session", () => {
  test("that is kept has its subscriptions back, after a restart of the hub too", async () => {
    const first = await startHub();
    await first.routes({ r: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")' });
    const [device, sink] = [await first.identity("d"), await first.identity(GATEWAY, "sink")];
    const { client, isPresent } = await resume(first, sink);
    expect(isPresent).toBe(false);
    await client.subscribeAsync(`devices/${GATEWAY}/modules/sink/#`, { qos: 1 });
    await client.endAsync();
    const publisher = await first.connect(device);
    await publisher.publishAsync("devices/d/messages/events/", "one", { qos: 1 });

    const again = await resume(first, sink);
    expect(again.isPresent).toBe(true);
    await vi.waitUntil(() => again.heard.length === 1);
    await again.client.endAsync();
    await publisher.publishAsync("devices/d/messages/events/", "two", { qos: 1 });
    await first.stop();

    await using second = await startHub({ dir: first.dir });
    const after = await resume(second, sink);
    expect(after.isPresent).toBe(true);
    await vi.waitUntil(() => after.heard.length === 1);
    expect([...again.heard, ...after.heard].map(({ body }) => body)).toEqual(["one", "two"]);
    await after.client.endAsync();
  });

  test("that is not kept wipes the one that was, and is gone with its connection", async () => {
    await using hub = await startHub();
    const identity = await hub.identity("d");
    const kept = await resume(hub, identity);
    await kept.client.subscribeAsync("$iothub/methods/POST/#");
    await (await hub.connect(identity, { clean: true })).endAsync();
    const { client, isPresent } = await resume(hub, identity);
    expect(isPresent).toBe(false);
    await expect(hub.hub.invokeMethod("d", null, { methodName: "x" })).rejects.toMatchObject({
      code: "SP_METHOD_OFFLINE",
    });
    await client.endAsync();
  });

  test("ends with its identity: who comes next by that name begins anew", async () => {
    await using hub = await startHub();
    const { client } = await resume(hub, await hub.identity("d"));
    await client.subscribeAsync("$iothub/methods/POST/#");
    await client.endAsync();
    await hub.hub.changeTwin("d", null, { section: "tags", patch: { owner: "a" } });
    await hub.hub.removeIdentity("d");
    await expect(hub.hub.twin("d", null)).rejects.toMatchObject({ code: "SP_TWIN_UNKNOWN" });
    const next = await resume(hub, await hub.identity("d"));
    expect(next.isPresent).toBe(false);
    expect(await hub.hub.twin("d", null)).toMatchObject({ tags: {}, version: 1 });
    await next.client.endAsync();
  });

  test("that is subscribed to desired properties is pushed what it missed, deletions too", async () => {
    const first = await startHub();
    const identity = await first.identity("d");
    const set = (hub: TestHub, patch: object) => hub.hub.changeTwin("d", null, { section: "desired", patch });
    await set(first, { a: 1, b: 1, same: 1 });
    const { client } = await resume(first, identity);
    await client.subscribeAsync("$iothub/twin/PATCH/properties/desired/#");
    await client.endAsync();
    await set(first, { a: 2 });
    await set(first, { b: null, c: { d: 3 } });
    await first.stop();

    await using second = await startHub({ dir: first.dir });
    const again = await resume(second, identity);
    await vi.waitUntil(() => again.heard.length === 1);
    expect(again.heard[0]!.topic).toBe("$iothub/twin/PATCH/properties/desired/?$version=4");
    expect(JSON.parse(again.heard[0]!.body)).toEqual({ a: 2, b: null, c: { d: 3 }, $version: 4 });
    // Who has read all of it has missed nothing.
    await again.client.subscribeAsync("$iothub/twin/res/#");
    await answerTo(again.client, again.heard, "$iothub/twin/GET/?$rid=1", " ");
    await again.client.endAsync();
    const third = await resume(second, identity);
    await third.client.subscribeAsync("$iothub/twin/res/#");
    await answerTo(third.client, third.heard, "$iothub/twin/GET/?$rid=2", "");
    expect(third.heard).toHaveLength(1);
    await third.client.endAsync();
  });
});

describe("a twin by its topics", () => {
  test("is read, patched, and refused as the contract says, with the request's id as it was", async () => {
    await using hub = await startHub();
    const client = await hub.connect(await hub.identity("d"));
    const heard = listen(client);
    await client.subscribeAsync("$iothub/twin/res/#");
    const patch = "$iothub/twin/PATCH/properties/reported/";
    expect(await answerTo(client, heard, "$iothub/twin/GET/?$rid=a%2Fb", " ")).toEqual({
      topic: "$iothub/twin/res/200/?$rid=a%2Fb",
      body: '{"desired":{"$version":1},"reported":{"$version":1}}',
    });
    expect(await answerTo(client, heard, `${patch}?$rid=2`, '{"x":{"y":1}}')).toEqual({
      topic: "$iothub/twin/res/204/?$rid=2&$version=2",
      body: "",
    });
    const refused = await answerTo(client, heard, `${patch}?$rid=3`, '{"x":[null]}');
    expect(refused.topic).toBe("$iothub/twin/res/400/?$rid=3");
    expect(JSON.parse(refused.body)).toMatchObject({
      errorCode: 400_000,
      message: expect.any(String) as string,
    });
  });

  test("answers only who listens for answers", async () => {
    await using hub = await startHub();
    const client = await hub.connect(await hub.identity("d"));
    const heard = listen(client);
    await client.publishAsync("$iothub/twin/GET/?$rid=1", " ", { qos: 1 });
    await client.subscribeAsync("$iothub/twin/res/#");
    await answerTo(client, heard, "$iothub/twin/GET/?$rid=2", " ");
    expect(heard.map(({ topic }) => topic)).toEqual(["$iothub/twin/res/200/?$rid=2"]);
  });

  test("announces its changes to routes that ask for them, from the hub, in whose name", async () => {
    await using hub = await startHub();
    await hub.routes({
      changes: "FROM /twinChangeNotifications INTO $upstream",
      sink: 'FROM /twinChangeNotifications WHERE twinSection = "reported" INTO BrokeredEndpoint("/modules/sink/inputs/in")',
      telemetry: "FROM /messages/* INTO $upstream",
    });
    const sink = await hub.connect(await hub.identity(GATEWAY, "sink"));
    const heard = listen(sink);
    await sink.subscribeAsync(`devices/${GATEWAY}/modules/sink/#`, { qos: 1 });
    const device = await hub.connect(await hub.identity("leaf", "m"));
    await device.publishAsync("$iothub/twin/PATCH/properties/reported/?$rid=1", '{"x":1}', { qos: 1 });
    await hub.hub.changeTwin("leaf", "m", { section: "desired", patch: { y: 2 } });
    await hub.hub.changeTwin("leaf", "m", { section: "tags", patch: { z: 3 } });
    const { events } = await hub.hub.readEvents({ from: 0, limit: 10, waitMs: 5_000 });
    const told = events.map(({ deviceId, moduleId, systemProperties, body }) => ({
      from: `${deviceId}/${moduleId}`,
      sys: Object.fromEntries(systemProperties.map(({ name, value }) => [name, value])),
      body: JSON.parse(Buffer.from(body).toString()) as unknown,
    }));
    const sys = {
      contentType: "application/json",
      contentEncoding: "utf-8",
      messageSchema: "twinChangeNotification",
      rpSenderDeviceId: "leaf",
      rpSenderModuleId: "m",
    };
    expect(told).toEqual([
      { from: "gw/$edgeHub", sys, body: { x: 1 } },
      { from: "gw/$edgeHub", sys, body: { y: 2 } },
    ]);
    await vi.waitUntil(() => heard.length === 1);
    expect(heard[0]!.topic).toContain("/inputs/in/%24.cdid=leaf&%24.cmid=m&");
    expect(heard[0]!.topic).not.toContain("rpSender");
  });
});

test.runIf(hasMosquitto)("mosquitto_sub is pushed the desired properties that it missed", async () => {
  await using hub = await startHub();
  const { clientId, username, password } = credentials(await hub.identity("d"));
  const login = ["-h", "127.0.0.1", "-p", String(hub.port), "-u", username!, "-P", String(password)];
  const topic = "$iothub/twin/PATCH/properties/desired/#";
  const subscribe = (...args: string[]) =>
    promisify(execFile)("mosquitto_sub", [...login, "-i", clientId!, "-c", "-t", topic, ...args]);
  await subscribe("-E");
  await hub.hub.changeTwin("d", null, { section: "desired", patch: { period: 5 } });
  const { stdout } = await subscribe("-v", "-C", "1", "-W", "5");
  expect(stdout).toBe('$iothub/twin/PATCH/properties/desired/?$version=2 {"period":5,"$version":2}\n');
});

describe("a method by its topics", () => {
  test("is called under its name and answered by its id, once; a stranger cannot answer", async () => {
    await using hub = await startHub();
    const [client, stranger] = [
      await hub.connect(await hub.identity("d")),
      await hub.connect(await hub.identity("stranger")),
    ];
    const heard = listen(client);
    await client.subscribeAsync("$iothub/methods/POST/#");
    const result = hub.hub.invokeMethod("d", null, { methodName: "a/b", payload: [1] });
    await vi.waitUntil(() => heard.length === 1);
    const [{ topic, body }] = heard as [Heard];
    expect([topic.split("?")[0], body]).toEqual(["$iothub/methods/POST/a%2Fb/", "[1]"]);
    const rid = topic.split("$rid=")[1]!;
    await stranger.publishAsync(`$iothub/methods/res/500/?$rid=${rid}`, '"forged"', { qos: 1 });
    await client.publishAsync(`$iothub/methods/res/207/?$rid=${rid.toUpperCase()}`, '{"ok":1}', { qos: 1 });
    await client.publishAsync(`$iothub/methods/res/500/?$rid=${rid}`, '"again"', { qos: 1 });
    expect(await result).toEqual({ status: 207, payload: { ok: 1 } });
  });

  test("waits for the callee as long as its caller says", async () => {
    await using hub = await startHub();
    const identity = await hub.identity("late");
    const result = hub.hub.invokeMethod("late", null, { methodName: "x", connectTimeoutInSeconds: 10 });
    const client = await hub.connect(identity);
    client.on("message", (topic) => {
      client.publish(`$iothub/methods/res/200/?$rid=${topic.split("$rid=")[1]}`, "");
    });
    await client.subscribeAsync("$iothub/methods/POST/#");
    expect(await result).toEqual({ status: 200, payload: null });
  });
});

describe("a connection", () => {
  test("is closed when its token has expired, skew included", async () => {
    await using hub = await startHub();
    const identity = await hub.identity("d");
    const client = await hub.connect(identity, credentials(identity, 2 - CLOCK_SKEW_MS / 1000));
    const begun = Date.now();
    await new Promise<void>((resolve) => client.once("close", () => resolve()));
    expect(Date.now() - begun).toBeLessThan(10_000);
    expect(await hub.hub.clients()).toEqual([]);
    expect((await hub.hub.status()).troubles[0]).toMatchObject({
      client: "d",
      what: "closed: token or certificate of the client has expired",
    });
  });
});

test("module twins of a deployment replace desired properties, once each, all or none", async () => {
  await using hub = await startHub();
  await hub.identity(GATEWAY, "native");
  await hub.hub.setModuleTwins({ native: { a: 1, b: 2 }, wasm: { t: 40 } });
  await hub.hub.setModuleTwins({ native: { b: 2 }, wasm: { t: 40 } });
  const desired = async (name: string) => (await hub.hub.twin(GATEWAY, name)).properties.desired;
  expect(await desired("native")).toMatchObject({ b: 2, $version: 3 });
  expect(await desired("native")).not.toHaveProperty("a");
  expect(await desired("wasm")).toMatchObject({ t: 40, $version: 2 });
  await expect(hub.hub.setModuleTwins({ wasm: { t: 41 }, native: { "a.b": 1 } })).rejects.toMatchObject({
    code: "SP_TWIN_INVALID",
  });
  expect(await desired("wasm")).toMatchObject({ t: 40, $version: 2 });
  await hub.hub.forgetModule("wasm");
  await expect(hub.hub.twin(GATEWAY, "wasm")).rejects.toMatchObject({ code: "SP_TWIN_UNKNOWN" });
});
