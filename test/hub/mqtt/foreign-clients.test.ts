import { spawn, spawnSync } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { listen, type Listener } from "../../../hub/mqtt/listener.ts";
import { selfSigned } from "./certificate.ts";
import { Recorder, type Connection } from "./recorder.ts";

/** Gives every message to everybody who has subscribed to anything. */
class Echo extends Recorder {
  readonly #subscribed = new Set<Connection>();
  #packetId = 0;

  override onSubscribe(...call: Parameters<Recorder["onSubscribe"]>): void {
    super.onSubscribe(...call);
    this.#subscribed.add(call[0]);
  }

  override onPublish(...call: Parameters<Recorder["onPublish"]>): void {
    const [, topic, bytes, from, to, qos] = call;
    for (const connection of this.#subscribed) {
      this.#packetId = (this.#packetId % 65_535) + 1;
      connection.publish(Buffer.from(topic), bytes, from, to, qos === 0 ? 0 : 1, this.#packetId);
    }
    super.onPublish(...call);
  }

  override onClose(...call: Parameters<Recorder["onClose"]>): void {
    this.#subscribed.delete(call[0]);
    super.onClose(...call);
  }
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function start(handler: Recorder, protocol: "mqtt" | "mqtts" = "mqtt"): Promise<Listener> {
  const tls = protocol === "mqtts" ? { tls: selfSigned() } : {};
  const listener = await listen({ protocol, host: "127.0.0.1", port: 0, handler, ...tls });
  cleanups.push(() => listener.close());
  return listener;
}

async function mqttjs(port: number, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync({
    host: "127.0.0.1",
    port,
    protocolVersion: 4,
    reconnectPeriod: 0,
    rejectUnauthorized: false,
    ...options,
  });
  cleanups.push(() => client.endAsync(true));
  return client;
}

describe.each(["mqtt", "mqtts"] as const)("mqtt.js over %s", (protocol) => {
  it("publishes and receives, QoS 0 and 1, small and large", async () => {
    const handler = new Echo();
    const { port } = await start(handler, protocol);
    const client = await mqttjs(port, { protocol, clientId: "dev1", username: "u", password: "p" });
    const granted = await client.subscribeAsync({ "a/#": { qos: 2 }, b: { qos: 0 } });
    expect(granted.map(({ qos }) => qos)).toEqual([1, 0]);
    const received: string[] = [];
    const done = new Promise<void>((resolve) => {
      client.on("message", (topic, payload, { qos }) => {
        if (received.push(`${topic} ${qos} ${payload.length}`) === 200) resolve();
      });
    });
    const sent: string[] = [];
    const acknowledged: Promise<unknown>[] = [];
    for (let i = 0; i < 200; i++) {
      const payload = Buffer.alloc(i % 50 === 0 ? 100_000 + i : i);
      const qos = i % 2 === 0 ? 1 : 0;
      sent.push(`a/${i % 7} ${qos} ${payload.length}`);
      acknowledged.push(client.publishAsync(`a/${i % 7}`, payload, { qos }));
    }
    await Promise.all(acknowledged);
    await done;
    expect(received).toEqual(sent);
    await handler.until("puback", 100);
    await client.unsubscribeAsync("b");
    await client.endAsync();
    expect((await handler.until("close"))[0]).toMatchObject({ reason: { code: "disconnect" } });
  });
});

describe("mqtt.js", () => {
  it("is told with CONNACK 5 that it may not connect", async () => {
    const handler = new Recorder();
    handler.decide = (connection) => connection.connack(5);
    const { port } = await start(handler);
    await expect(mqttjs(port)).rejects.toMatchObject({ code: 5 });
  });

  it("loses its connection over QoS 2", async () => {
    const handler = new Recorder();
    const { port } = await start(handler);
    const client = await mqttjs(port);
    const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
    client.publish("t", "x", { qos: 2 });
    await closed;
    expect((await handler.until("close"))[0]).toMatchObject({ reason: { code: "qos_unsupported" } });
  });

  it("has its will kept for the day it vanishes", async () => {
    const handler = new Recorder();
    const { port } = await start(handler);
    const will = {
      topic: "devices/d/messages/events/",
      payload: Buffer.from("gone"),
      qos: 1,
      retain: false,
    } as const;
    const client = await mqttjs(port, { will });
    client.stream.destroy();
    expect((await handler.until("close"))[0]).toMatchObject({ reason: { code: "connection_lost" }, will });
  });
});

const isMosquittoHere = ["mosquitto_pub", "mosquitto_sub"].every(
  (name) => spawnSync(name, ["--help"]).error === undefined,
);
if (!isMosquittoHere)
  console.warn("mosquitto_pub and mosquitto_sub are not installed: their test is skipped");

it.skipIf(!isMosquittoHere)("mosquitto_pub and mosquitto_sub exchange messages", async () => {
  const handler = new Echo();
  const { port } = await start(handler);
  const common = ["-h", "127.0.0.1", "-p", String(port), "-V", "mqttv311", "-q", "1"];
  const sub = spawn("mosquitto_sub", [...common, "-i", "sub", "-t", "line/#", "-C", "3", "-v"]);
  let output = "";
  sub.stdout.on("data", (text: Buffer) => (output += text.toString()));
  const subscribed = new Promise<number | null>((resolve) => sub.once("exit", resolve));
  await handler.until("subscribe");
  const pub = spawn("mosquitto_pub", [...common, "-i", "pub", "-t", "line/ä", "-l"]);
  pub.stdin.end("one\ntwo\nthree\n");
  expect(await new Promise((resolve) => pub.once("exit", resolve))).toBe(0);
  expect(await subscribed).toBe(0);
  expect(output).toBe("line/ä one\nline/ä two\nline/ä three\n");
});
