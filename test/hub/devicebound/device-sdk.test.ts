/** Microsoft's device SDK, unchanged, behind TLS: cloud-to-device messages over MQTT and AMQP. */
import { rmSync } from "node:fs";
import { NoRetry } from "azure-iot-common";
import device, { type Client, type Message } from "azure-iot-device";
import amqpTransport from "azure-iot-device-amqp";
import mqttTransport from "azure-iot-device-mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DeviceboundMessage, FeedbackRecord, KeyedIdentity } from "../../../hub/face.ts";
import { buildConnectionString } from "../../../hub/identity/connection-string.ts";
import { GATEWAY, startHub, type TestHub } from "../../support/hub.ts";
import { within } from "../amqp/raw-client.ts";
import { selfSigned } from "../mqtt/certificate.ts";

const TRANSPORTS = { mqtt: mqttTransport.Mqtt, amqp: amqpTransport.Amqp } as const;
type Protocol = keyof typeof TRANSPORTS;

const tls = selfSigned();
let hub: TestHub;
beforeAll(async () => {
  hub = await startHub({ tls });
});

const clients: Client[] = [];
async function closeClients(): Promise<void> {
  for (const client of clients.splice(0)) await client.close();
}
afterEach(closeClients);
afterAll(async () => {
  await hub.stop();
  rmSync(hub.dir, { recursive: true });
});

/** A device that gathers what it receives. */
class Device {
  readonly client: Client;
  readonly #got: Message[] = [];
  readonly #wanted: ((message: Message) => void)[] = [];

  constructor(protocol: Protocol, { deviceId, primaryKey }: KeyedIdentity) {
    const text = buildConnectionString({ deviceId, hostName: GATEWAY, sharedAccessKey: primaryKey });
    const withGateway = `${text};GatewayHostName=localhost:${hub.tlsPorts[protocol]}`;
    this.client = device.Client.fromConnectionString(withGateway, TRANSPORTS[protocol]);
    this.client.setRetryPolicy(new NoRetry());
  }

  async listen(): Promise<this> {
    await this.client.setOptions({ ca: tls.cert });
    await this.client.open();
    clients.push(this.client);
    this.client.on("message", (message: Message) => {
      const want = this.#wanted.shift();
      if (want === undefined) this.#got.push(message);
      else want(message);
    });
    return this;
  }

  next(): Promise<Message> {
    const got = this.#got.shift();
    if (got !== undefined) return Promise.resolve(got);
    return within("a message", new Promise((resolve) => this.#wanted.push(resolve)));
  }
}

const connect = (protocol: Protocol, identity: KeyedIdentity): Promise<Device> =>
  new Device(protocol, identity).listen();

const body = (text: string): Uint8Array => Buffer.from(text);
const textOf = (message: Message): string => Buffer.from(message.getData() as Uint8Array).toString();
const propertiesOf = (message: Message): [string, unknown][] =>
  message.properties.propertyList.map(({ key, value }) => [key, value]);
const send = (deviceId: string, text: string, more: Partial<DeviceboundMessage> = {}) =>
  hub.hub.sendDevicebound(deviceId, { body: body(text), ...more });

async function feedbackOf(deviceId: string, count: number): Promise<FeedbackRecord[]> {
  const own = async () => {
    const { records } = await hub.hub.readFeedback({ limit: 1000, waitMs: 0 });
    return records.filter((record) => record.deviceId === deviceId);
  };
  await expect.poll(async () => (await own()).length).toBe(count);
  return own();
}

describe.each(["mqtt", "amqp"] as const)("over %s", (protocol) => {
  test("a message arrives with its ids, content type, properties, ack and expiry as they were sent", async () => {
    const { generationId } = (await named(`kept-${protocol}`)).view;
    const one = await connect(protocol, (await named(`kept-${protocol}`)).identity);
    const expiry = new Date(Date.now() + 3_600_000).toISOString();
    await send(`kept-${protocol}`, "öffne", {
      messageId: "5b1a1e5c-4b0a-4c58-8c4a-7a4e0f5c1c11",
      correlationId: "c/1",
      userId: "operator",
      contentType: "application/json",
      contentEncoding: "utf-8",
      properties: { level: "högh/&", plain: "x" },
      ack: "full",
      expiry,
    });
    const message = await one.next();
    expect(textOf(message)).toBe("öffne");
    expect(message).toMatchObject({
      messageId: "5b1a1e5c-4b0a-4c58-8c4a-7a4e0f5c1c11",
      correlationId: "c/1",
      contentType: "application/json",
      contentEncoding: "utf-8",
      to: `/devices/kept-${protocol}/messages/devicebound`,
    });
    expect(new Date(message.expiryTimeUtc as string).toISOString()).toBe(expiry);
    const own = propertiesOf(message).filter(([key]) => key !== "ack");
    expect(own).toEqual([
      ["level", "högh/&"],
      ["plain", "x"],
    ]);
    // Over MQTT the SDK takes what it does not know for a property.
    expect(message.ack ?? message.properties.getValue("ack")).toBe("full");
    await one.client.complete(message);
    expect(await feedbackOf(`kept-${protocol}`, 1)).toMatchObject([
      {
        originalMessageId: "5b1a1e5c-4b0a-4c58-8c4a-7a4e0f5c1c11",
        statusCode: "Success",
        deviceGenerationId: generationId,
      },
    ]);
    expect(await hub.hub.devicebound(`kept-${protocol}`)).toEqual([]);
  });

  test("what was sent while a device was away it gets when it comes, in order", async () => {
    const { identity } = await named(`away-${protocol}`);
    for (const text of ["1", "2", "3"]) await send(`away-${protocol}`, text);
    const one = await connect(protocol, identity);
    const got = [await one.next(), await one.next(), await one.next()];
    expect(got.map(textOf)).toEqual(["1", "2", "3"]);
    for (const message of got) await one.client.complete(message);
    await expect.poll(async () => (await hub.hub.devicebound(`away-${protocol}`)).length).toBe(0);
    await send(`away-${protocol}`, "4");
    expect(textOf(await one.next())).toBe("4");
  });
});

/** Of a device of that name, made when it is asked for first. */
async function named(deviceId: string) {
  const known = identities.get(deviceId) ?? (await hub.identity(deviceId));
  identities.set(deviceId, known);
  const view = (await hub.hub.identities()).find((one) => one.deviceId === deviceId)!;
  return { identity: known, view };
}
const identities = new Map<string, KeyedIdentity>();

test("what a device had in hand when the gateway stopped comes again after its start, with what was sent meanwhile", async () => {
  const { identity } = await named("restart");
  const one = await connect("amqp", identity);
  for (const text of ["done", "in hand"]) await send("restart", text, { ack: "full", messageId: text });
  await one.client.complete(await one.next());
  await one.next();
  await feedbackOf("restart", 1);
  await closeClients();
  await send("restart", "later");
  await hub.stop();
  hub = await startHub({ tls, dir: hub.dir });
  const again = await connect("amqp", identity);
  const got = [await again.next(), await again.next()];
  expect(got.map(textOf)).toEqual(["in hand", "later"]);
  expect((got[0]!.transportObj as { delivery_count?: number }).delivery_count).toBe(1);
  for (const message of got) await again.client.complete(message);
  await feedbackOf("restart", 2);
});

test("over amqp a message that is abandoned comes again and is counted; one that is rejected is a dead letter", async () => {
  const one = await connect("amqp", (await named("outcomes")).identity);
  await send("outcomes", "again", { ack: "full", messageId: "a" });
  const first = await one.next();
  await one.client.abandon(first);
  const second = await one.next();
  expect(textOf(second)).toBe("again");
  expect((second.transportObj as { delivery_count?: number }).delivery_count).toBe(1);
  await one.client.complete(second);
  await send("outcomes", "no", { ack: "negative", messageId: "r" });
  await one.client.reject(await one.next());
  const feedback = await feedbackOf("outcomes", 2);
  expect(feedback.map((record) => [record.originalMessageId, record.statusCode])).toEqual([
    ["a", "Success"],
    ["r", "Rejected"],
  ]);
  const { letters } = await hub.hub.deadLetters({ endpoint: "$c2d/outcomes", limit: 10 });
  expect(letters.map(({ reason, message }) => [reason, Buffer.from(message.body).toString()])).toEqual([
    ["rejected", "no"],
  ]);
});
