/** What a message says, sent by Microsoft's SDK over each transport: as the event log and the next module have it. */
import { on } from "node:events";
import common from "azure-iot-common";
import device, { type Message } from "azure-iot-device";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { EventView } from "../../host/index.ts";
import { bodyOf, GATEWAY, SdkGateway, within } from "./harness.ts";
import { isMqtt, TRANSPORTS } from "./transports.ts";

/** Each sends to one that is connected by the next. */
const PAIRS = TRANSPORTS.map((from, i) => [from, TRANSPORTS[(i + 1) % TRANSPORTS.length]!] as const);
const ROUTES = Object.fromEntries([
  ["up", "FROM /messages/* INTO $upstream"],
  ...TRANSPORTS.map((from) => [
    `from${from}`,
    `FROM /messages/modules/src${from}/outputs/out INTO BrokeredEndpoint("/modules/dst${from}/inputs/in")`,
  ]),
  ...TRANSPORTS.map((over) => [
    `judge${over}`,
    `FROM /messages/modules/toJudge${over}/outputs/out INTO BrokeredEndpoint("/modules/judge${over}/inputs/in")`,
  ]),
]) as Record<string, string>;

let gateway: SdkGateway;
beforeAll(async () => {
  gateway = await SdkGateway.start(ROUTES);
});
afterEach(() => gateway.closeClients());
afterAll(() => gateway[Symbol.asyncDispose]());

const UUID = "5b1a1e5c-4b0a-4c58-8c4a-7a4e0f5c1c11";
const ODD = new Map([
  ["level", "högh/&"],
  ["a b", "c d"],
  ["ключ", "значение"],
  ["slash/plus+hash#", "50 % = half?"],
  ["constructor", "toString"],
  ["$ref", "'(*)!~"],
  ["🌡", "🔥"],
  ["empty", ""],
]);

function message(body: string): Message {
  const made = new device.Message(body);
  made.messageId = UUID; // AMQP has a type for it
  made.correlationId = "c-1";
  made.contentType = "application/json";
  made.contentEncoding = "utf-8";
  for (const [name, value] of ODD) made.properties.add(name, value);
  return made;
}

const SYSTEM = {
  messageId: UUID,
  correlationId: "c-1",
  contentType: "application/json",
  contentEncoding: "utf-8",
};
const systemOf = ({ systemProperties }: EventView) =>
  Object.fromEntries(systemProperties.map(({ name, value }) => [name, value]));
const propertiesOf = ({ properties }: EventView) =>
  new Map(properties.map(({ name, value }) => [name, value]));

describe.each(TRANSPORTS)("over %s", (transport) => {
  test("a device's telemetry is logged with ids, type, encoding and properties as they were", async () => {
    const name = `telemetry-${transport}`;
    const client = await gateway.device(transport, await gateway.identity(name));
    for (let n = 0; n < 3; n++) await within("acknowledgement", client.sendEvent(message(`{"n":${n}}`)));
    const events = await gateway.logged(name);
    expect(events.map(bodyOf)).toEqual(['{"n":0}', '{"n":1}', '{"n":2}']);
    expect(systemOf(events[0]!)).toMatchObject(SYSTEM);
    expect(propertiesOf(events[0]!)).toEqual(ODD);
  });

  test("what else the SDK says of a message is logged as what it is", async () => {
    const name = `system-${transport}`;
    const client = await gateway.device(transport, await gateway.identity(name));
    const expiry = Date.now() + 3_600_000;
    const sent = new device.Message("x");
    sent.userId = "somebody";
    sent.interfaceId = "urn:interface:1";
    // A `Date` is more than its encoder for AMQP can take.
    sent.expiryTimeUtc = isMqtt(transport) ? new Date(expiry) : expiry;
    sent.properties.add("dt-subject", "component");
    sent.properties.add(
      isMqtt(transport) ? "$.ctime" : "iothub-creation-time-utc",
      "2026-11-24T10:00:00.000Z",
    );
    await within("acknowledgement", client.sendEvent(sent));
    const [event] = await gateway.logged(name);
    expect(systemOf(event!)).toEqual({
      "absolute-expiry-time": new Date(expiry).toISOString(),
      creationTime: "2026-11-24T10:00:00.000Z",
      "dt-subject": "component",
      "iothub-interface-id": "urn:interface:1",
      // The SDK sends the one over MQTT alone, the other over AMQP alone.
      ...(isMqtt(transport) ? { userId: "somebody" } : { to: `/devices/${name}/messages/events` }),
    });
    expect(event!.properties).toEqual([]);
  });

  test("a message of almost 256 KB is taken, one that is larger with its properties refused, and the next taken", async () => {
    const name = `large-${transport}`;
    const client = await gateway.device(transport, await gateway.identity(name));
    // The SDK itself adds an address over AMQP.
    const largest = new device.Message(Buffer.alloc(262_144 - 64, "x"));
    await within("acknowledgement", client.sendEvent(largest));
    // MQTT has nothing to say no with but the end of the connection: the SDK would send it again for four minutes.
    client.setRetryPolicy(new common.NoRetry());
    largest.properties.add("more", "x".repeat(64));
    await expect(within("answer", client.sendEvent(largest))).rejects.toMatchObject({
      name: isMqtt(transport) ? "NotConnectedError" : "MessageTooLargeError",
    });
    if (isMqtt(transport)) {
      const troubles = await gateway.troubles();
      expect(troubles.find((one) => one.client === name)?.what).toBe("closed: packet larger than the limit");
    }
    await within("acknowledgement", client.sendEvent(new device.Message("next")));
    expect((await gateway.bodies(name)).map((body) => body.length)).toEqual([262_080, 4]);
  });

  test("batches are nothing that the SDK has for this transport", async () => {
    const client = await gateway.device(transport, await gateway.identity(`batch-${transport}`));
    await expect(client.sendEventBatch([message("a")])).rejects.toMatchObject({
      name: "NotImplementedError",
    });
  });
});

describe.each(PAIRS)("from a module over %s to one over %s", (from, to) => {
  test("an output is an input, with ids, type, encoding and properties as they were", async () => {
    const consumer = await gateway.moduleClient(to, await gateway.module(`dst${from}`));
    const arrived = new Promise<[string, Message]>((resolve) => {
      consumer.on("inputMessage", (...args: [string, Message]) => resolve(args));
    });
    const producer = await gateway.moduleClient(from, await gateway.module(`src${from}`));
    await within("acknowledgement", producer.sendOutputEvent("out", message("hello")));
    const [input, received] = await within("message", arrived);
    expect(input).toBe("in");
    expect(received.getBytes().toString()).toBe("hello");
    expect(received).toMatchObject(SYSTEM);
    for (const [name, value] of ODD) expect(received.properties.getValue(name), name).toBe(value);
    await consumer.complete(received);
    await expect.poll(() => gateway.queued(`dst${from}/in`)).toBe(0);
    const [event] = await gateway.logged(`${GATEWAY}/src${from}`);
    expect(event).toMatchObject({ output: "out", deviceId: GATEWAY, moduleId: `src${from}` });
    expect(systemOf(event!)).toMatchObject(SYSTEM);
    expect(propertiesOf(event!)).toEqual(ODD);
  });
});

describe.each(TRANSPORTS)("a consumer over %s", (transport) => {
  const queue = `judge${transport}/in`;

  test("abandons and rejects what it is given, or is told by the SDK that it cannot", async () => {
    const consumer = await gateway.moduleClient(transport, await gateway.module(`judge${transport}`));
    const arrivals = on(consumer, "inputMessage");
    const next = async () => ((await within("message", arrivals.next())).value as [string, Message])[1];
    const producer = await gateway.moduleClient(transport, await gateway.module(`toJudge${transport}`));
    await within("acknowledgement", producer.sendOutputEvent("out", new device.Message("verdict")));
    const first = await next();
    if (isMqtt(transport)) {
      await expect(consumer.abandon(first)).rejects.toMatchObject({ name: "NotImplementedError" });
      await expect(consumer.reject(first)).rejects.toMatchObject({ name: "NotImplementedError" });
    } else {
      await consumer.abandon(first);
      const again = await next();
      expect(again.getBytes().toString()).toBe("verdict");
      await consumer.reject(again);
    }
    await expect.poll(() => gateway.queued(queue)).toBe(0);
    const reasons = async () =>
      (await gateway.management.deadLetters({ endpoint: queue })).letters.map(({ reason }) => reason);
    await expect.poll(reasons).toEqual(isMqtt(transport) ? [] : ["rejected"]);
  });
});
