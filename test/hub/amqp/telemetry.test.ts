/** Messages of AMQP clients into the hub, by a client that is not ours: rhea. */
import rhea from "rhea";
import { afterEach, expect, test } from "vitest";
import type { EventRecord } from "../../../hub/face.ts";
import { startHub, tokenOf, type TestHub } from "../../support/hub.ts";
import { connectRaw, data, eventsOf, plain, send, within } from "./raw-client.ts";

const UPSTREAM = { up: "FROM /messages/* INTO $upstream" };
const BATCH = 0x80013700;

let hub: TestHub;
afterEach(() => hub[Symbol.asyncDispose]());

async function events(count: number): Promise<readonly EventRecord[]> {
  const { events: found } = await hub.hub.readEvents({ from: 0, limit: 1000, waitMs: 5000 });
  expect(found).toHaveLength(count);
  return found;
}

const body = ({ body: bytes }: EventRecord): string => Buffer.from(bytes).toString();

test("a device's message is accepted, and is in the log with its properties as they were typed", async () => {
  hub = await startHub({ amqp: true });
  await hub.routes(UPSTREAM);
  const device = await hub.identity("d1");
  const client = connectRaw(hub, plain(device));
  const sender = await client.sender(eventsOf(device));
  const outcome = await send(sender, {
    body: data("hello"),
    message_id: rhea.string_to_uuid("01020304-0506-0708-090a-0b0c0d0e0f10"),
    content_type: "application/json",
    application_properties: { text: "ä", number: 42, truth: true, "iothub-connection-device-id": "other" },
  });
  expect(outcome).toBe("accepted");
  const [event] = await events(1);
  expect(event).toMatchObject({ deviceId: "d1", moduleId: null, output: null });
  expect(body(event!)).toBe("hello");
  expect(event!.systemProperties.map(({ name, value }) => [name, value])).toEqual([
    ["messageId", "01020304-0506-0708-090a-0b0c0d0e0f10"],
    ["contentType", "application/json"],
  ]);
  expect(event!.properties.map(({ name, value }) => [name, value])).toEqual([
    ["text", "ä"],
    ["number", "42"],
    ["truth", "true"],
  ]);
  client.close();
});

test("a module's output name is its source, and not a property", async () => {
  hub = await startHub({ amqp: true });
  await hub.routes({ only: "FROM /messages/modules/m/outputs/hot INTO $upstream" });
  const module = await hub.identity("gw", "m");
  const client = connectRaw(hub, plain(module));
  const sender = await client.sender(`amqps://gw/Devices/gw/Modules/m/Messages/Events`);
  const of = (output: string) => ({
    body: data(output),
    application_properties: { "iothub-outputname": output },
  });
  expect(await send(sender, of("cold"))).toBe("accepted"); // unmatched, and accepted all the same
  expect(await send(sender, of("hot"))).toBe("accepted");
  const [event] = await events(1);
  expect(event).toMatchObject({ deviceId: "gw", moduleId: "m", output: "hot", properties: [] });
  client.close();
});

test("a thousand messages are accepted in order, and all are in the log", async () => {
  hub = await startHub({ amqp: true });
  await hub.routes(UPSTREAM);
  const device = await hub.identity("d1");
  const client = connectRaw(hub, plain(device));
  const sender = await client.sender(eventsOf(device));
  let sent = 0;
  let accepted = 0;
  await new Promise<void>((resolve) => {
    const more = () => {
      let credit = (sender as unknown as { credit: number }).credit;
      for (; credit > 0 && sent < 1000; credit--) sender.send({ body: data(String(sent++)) });
    };
    sender.on("sendable", more);
    sender.on("accepted", () => {
      if (++accepted === 1000) resolve();
    });
    more();
  });
  expect((await events(1000)).map(body)).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)));
  client.close();
});

test("each message of a batch is routed for itself, and one disposition follows them all", async () => {
  hub = await startHub({ amqp: true });
  await hub.routes({ up: "FROM /messages/* WHERE keep = 'yes' INTO $upstream" });
  const device = await hub.identity("d1");
  const client = connectRaw(hub, plain(device));
  const sender = await client.sender(eventsOf(device));
  const inner = ["yes", "no", "yes"].map((keep, i) =>
    rhea.message.encode({ body: data(`${i}`), application_properties: { keep } } as never),
  );
  const batch = rhea.message.encode({ body: rhea.message.data_sections(inner) } as never);
  expect(await send(sender, batch, BATCH)).toBe("accepted");
  expect((await events(2)).map(body)).toEqual(["0", "2"]);
  client.close();
});

test("a batch with one malformed message is rejected whole", async () => {
  hub = await startHub({ amqp: true });
  await hub.routes(UPSTREAM);
  const device = await hub.identity("d1");
  const client = connectRaw(hub, plain(device));
  const sender = await client.sender(eventsOf(device));
  const good = rhea.message.encode({ body: data("good") } as never);
  const batch = rhea.message.encode({
    body: rhea.message.data_sections([good, Buffer.from([0, 1, 2])]),
  } as never);
  expect(await send(sender, batch, BATCH)).toBe("rejected com.microsoft:argument-error");
  expect(await send(sender, { body: data("next") })).toBe("accepted");
  expect((await events(1)).map(body)).toEqual(["next"]);
  client.close();
});

test("256 KB is accepted in parts, more is rejected, and more than a link takes detaches it", async () => {
  hub = await startHub({ amqp: true });
  await hub.routes(UPSTREAM);
  const device = await hub.identity("d1");
  const client = connectRaw(hub, plain(device));
  const sender = await client.sender(eventsOf(device));
  const of = (bytes: number) => ({ body: rhea.message.data_section(Buffer.alloc(bytes, "x")) as object });
  expect(await send(sender, of(262_144))).toBe("accepted");
  expect(await send(sender, of(262_145))).toBe("rejected amqp:link:message-size-exceeded");
  await expect(send(sender, of(1_100_000))).rejects.toThrow("amqp:link:message-size-exceeded");
  const [event] = await events(1);
  expect(event!.body).toHaveLength(262_144);
  client.close();
});

test.for([
  ["a token of another device", "d1", (other: string) => other],
  ["an expired token", "d1", null],
] as const)("%s is refused", async ([, , ofOther]) => {
  hub = await startHub({ amqp: true });
  const device = await hub.identity("d1");
  const other = await hub.identity("d2");
  const token = ofOther === null ? tokenOf(device, -1000) : tokenOf(other);
  const client = connectRaw(hub, plain(device, token));
  expect(await client.ended).toBe("amqp:unauthorized-access");
  expect((await hub.hub.status()).troubles[0]!.what).toMatch(/refused: token/);
});

test("links are refused with a condition: of another identity, of no address, of the wrong direction", async () => {
  hub = await startHub({ amqp: true });
  const device = await hub.identity("d1");
  await hub.identity("d2");
  const client = connectRaw(hub, plain(device));
  await expect(client.sender("/devices/d2/messages/events")).rejects.toThrow("amqp:unauthorized-access");
  await expect(client.sender("/devices/d1/nowhere")).rejects.toThrow("amqp:not-found");
  await expect(client.sender("/devices/d1/messages/devicebound")).rejects.toThrow("amqp:not-allowed");
  await expect(client.receiver("/devices/d1/messages/events")).rejects.toThrow("amqp:not-allowed");
  await client.sender("/devices/d1/messages/events"); // and the connection lives on
  client.close();
});

test("an identity that connects again ends its older connection, also one of MQTT, or is ended by it", async () => {
  hub = await startHub({ amqp: true });
  const device = await hub.identity("d1");
  const first = connectRaw(hub, plain(device));
  await first.sender(eventsOf(device));
  const second = connectRaw(hub, plain(device));
  expect(await within("end", first.ended)).toBe("amqp:link:stolen");
  const mqtt = await hub.connect(device);
  expect(await within("end", second.ended)).toBe("amqp:link:stolen");
  const gone = new Promise((resolve) => mqtt.on("close", () => resolve("closed")));
  const third = connectRaw(hub, plain(device));
  expect(await gone).toBe("closed");
  await third.sender(eventsOf(device));
  expect((await hub.hub.status()).connections).toBe(1);
  third.close();
});

test("a removed identity loses its connection at once", async () => {
  hub = await startHub({ amqp: true });
  const device = await hub.identity("d1");
  const client = connectRaw(hub, plain(device));
  await client.sender(eventsOf(device));
  await hub.hub.removeIdentity("d1");
  expect(await client.ended).toBe("amqp:unauthorized-access");
});

test("while a queue that refuses is full, what comes on old credit is released, and taken when there is room [J20 J21]", async () => {
  hub = await startHub({ amqp: true, store: { bytesMax: 16 * 1024 * 1024 } });
  await hub.routes({
    r: 'FROM /messages/* WHERE NOT IS_DEFINED($none) INTO BrokeredEndpoint("/modules/m/inputs/i")',
  });
  const [device, module] = [await hub.identity("d1"), await hub.identity("gw", "m")];
  const client = connectRaw(hub, plain(device));
  const sender = await client.sender(eventsOf(device));
  const outcomes = { accepted: 0, released: 0 };
  sender.on("accepted", () => void outcomes.accepted++);
  sender.on("released", () => void outcomes.released++);
  const large = rhea.message.data_section(Buffer.alloc(250_000));
  let sent = 0;
  const more = () => {
    let credit = (sender as unknown as { credit: number }).credit;
    for (; credit > 0 && sent < 400; credit--, sent++) sender.send({ body: large });
  };
  sender.on("sendable", more);
  more();
  await expect.poll(() => outcomes.released, { timeout: 10_000 }).toBeGreaterThan(0);
  const before = outcomes.accepted;
  const consumer = connectRaw(hub, plain(module));
  const receiver = await consumer.receiver(eventsOf(module));
  receiver.link.on("message", ({ delivery }) => void delivery!.accept());
  // What was held is taken as there is room, and every message has had one outcome in the end.
  await expect.poll(() => outcomes.accepted + outcomes.released, { timeout: 10_000 }).toBe(sent);
  expect(outcomes.accepted).toBeGreaterThan(before);
  expect(await send(sender, { body: data("next") })).toBe("accepted");
  client.close();
  consumer.close();
});
