/** What waits for a module, delivered over AMQP to a client that is not ours: rhea. */
import rhea from "rhea";
import { afterEach, expect, test } from "vitest";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { startHub, type TestHub } from "../../support/hub.ts";
import { connectRaw, data, eventsOf, plain, send, type RawClient } from "./raw-client.ts";

const ROUTES = {
  r: 'FROM /messages/* WHERE NOT IS_DEFINED($none) INTO BrokeredEndpoint("/modules/m/inputs/in one")',
};

let hub: TestHub;
let device: KeyedIdentity;
let module: KeyedIdentity;
let producer: RawClient;

async function start(dir?: string): Promise<void> {
  hub = await startHub({ amqp: true, ...(dir === undefined ? {} : { dir }) });
  if (dir !== undefined) return;
  await hub.routes(ROUTES);
  device = await hub.identity("d1");
  module = await hub.identity("gw", "m");
}

async function produce(count: number): Promise<void> {
  producer = connectRaw(hub, plain(device));
  const sender = await producer.sender(eventsOf(device));
  for (let i = 0; i < count; i++) {
    const message = {
      body: data(String(i)),
      message_id: rhea.string_to_uuid("01020304-0506-0708-090a-0b0c0d0e0f10"),
      correlation_id: `c${i}`,
      user_id: Buffer.from("someone"),
      content_type: "text/plain",
      application_properties: { text: "ä", number: 42, half: 0.5, truth: true },
    };
    expect(await send(sender, message as never)).toBe("accepted");
  }
  producer.close();
}

const inputLength = async (): Promise<number> =>
  (await hub.hub.queues()).find(({ endpoint }) => endpoint === "m/in one")!.length;

afterEach(() => hub[Symbol.asyncDispose]());

const text = (message: rhea.Message): string =>
  Buffer.from((message.body as { content: Buffer }).content).toString();

test("a message arrives with its input's name, its sender, and its properties as they were typed", async () => {
  await start();
  await produce(1);
  const client = connectRaw(hub, plain(module));
  const receiver = await client.receiver(eventsOf(module));
  const { message, delivery } = await receiver.next();
  delivery.accept();
  expect(text(message)).toBe("0");
  expect(rhea.uuid_to_string(message.message_id as Buffer)).toBe("01020304-0506-0708-090a-0b0c0d0e0f10");
  expect(message).toMatchObject({ correlation_id: "c0", content_type: "text/plain" });
  expect(message.user_id!.toString()).toBe("someone");
  expect(message.application_properties).toEqual({ text: "ä", number: 42, half: 0.5, truth: true });
  expect(message.message_annotations).toMatchObject({
    "x-opt-input-name": "in one",
    "iothub-connection-device-id": "d1",
    "iothub-deliverycount": 0,
  });
  expect(message.message_annotations!["iothub-enqueuedtime"]).toBeInstanceOf(Date);
  client.close();
});

test("accepted is done, rejected is a dead letter, released and modified come again and are counted", async () => {
  await start();
  await produce(4);
  const client = connectRaw(hub, plain(module));
  const receiver = await client.receiver(eventsOf(module));
  const first = [];
  for (let i = 0; i < 4; i++) first.push(await receiver.next());
  expect(first.map(({ message }) => text(message))).toEqual(["0", "1", "2", "3"]);
  first[3]!.delivery.accept();
  await new Promise(setImmediate); // rhea takes outcomes of one turn for one
  first[0]!.delivery.release({ delivery_failed: true } as never);
  await new Promise(setImmediate);
  first[1]!.delivery.reject({ condition: "x:bad", description: "no" } as never);
  await new Promise(setImmediate);
  first[2]!.delivery.release();
  const again = [await receiver.next(), await receiver.next()];
  expect(again.map(({ message }) => text(message)).toSorted()).toEqual(["0", "2"]);
  for (const { message, delivery } of again) {
    expect(message.delivery_count).toBe(1);
    expect(message.message_annotations!["iothub-deliverycount"]).toBe(1);
    delivery.accept();
  }
  await expect.poll(inputLength).toBe(0);
  const { letters } = await hub.hub.deadLetters({ limit: 10 });
  expect(letters.map(({ reason, message }) => [reason, Buffer.from(message.body).toString()])).toEqual([
    ["rejected", "1"],
  ]);
  client.close();
});

test("what was not settled is delivered again to the next connection, also after a restart", async () => {
  await start();
  await produce(3);
  const client = connectRaw(hub, plain(module));
  const receiver = await client.receiver(eventsOf(module));
  await receiver.next();
  (await receiver.next()).delivery.accept();
  await receiver.next();
  await new Promise(setImmediate); // closing overtakes what rhea has not written
  client.close();
  await client.ended;
  await hub.stop();
  await start(hub.dir);
  const next = connectRaw(hub, plain(module));
  const again = await next.receiver(eventsOf(module));
  const seen = [await again.next(), await again.next()];
  expect(seen.map(({ message }) => text(message)).toSorted()).toEqual(["0", "2"]);
  for (const { delivery } of seen) delivery.accept();
  next.close();
});

test("credit is the window: nothing beyond it is sent, and more credit brings more", async () => {
  await start();
  await produce(5);
  const client = connectRaw(hub, plain(module));
  const receiver = await client.receiver(eventsOf(module), { credit_window: 0 });
  receiver.link.add_credit(2);
  await receiver.next();
  await receiver.next();
  expect((await hub.hub.queues()).find(({ endpoint }) => endpoint === "m/in one")!.inFlight).toBe(2);
  expect(receiver.waiting).toHaveLength(0);
  receiver.link.add_credit(3);
  expect(text((await receiver.next()).message)).toBe("2");
  client.close();
});

test("a client that leaves settling to the hub hears that its outcome is settled", async () => {
  await start();
  await produce(1);
  const client = connectRaw(hub, plain(module));
  const receiver = await client.receiver(eventsOf(module), { rcv_settle_mode: 1, autosettle: false });
  const settled = new Promise((resolve) => receiver.link.on("settled", resolve));
  const { delivery } = await receiver.next();
  delivery.accept();
  await settled;
  await expect.poll(inputLength).toBe(0);
  client.close();
});

test("a message larger than the client's frames comes in parts, whole", async () => {
  await start();
  producer = connectRaw(hub, plain(device));
  const sender = await producer.sender(eventsOf(device));
  const large = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));
  await send(sender, { body: rhea.message.data_section(large) as object });
  producer.close();
  const client = connectRaw(hub, { ...plain(module), max_frame_size: 4096 });
  const receiver = await client.receiver(eventsOf(module));
  const { message, delivery } = await receiver.next();
  expect(Buffer.compare((message.body as { content: Buffer }).content, large)).toBe(0);
  delivery.accept();
  client.close();
});

test("a module that connects again has its messages at once, and its old connection ends", async () => {
  await start();
  await produce(1);
  const client = connectRaw(hub, plain(module));
  await client.receiver(eventsOf(module));
  const other = connectRaw(hub, plain(module));
  const receiver = await other.receiver(eventsOf(module));
  expect(await client.ended).toBe("amqp:link:stolen");
  expect(text((await receiver.next()).message)).toBe("0");
  other.close();
});
