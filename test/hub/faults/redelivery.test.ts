/** Consumers that come, go and are replaced while they have deliveries in hand. */
import { expect, test } from "vitest";
import { RawClient, subscription, type RawHandlers } from "../../support/faults/raw-client.ts";
import { until, WindowPublisher } from "../../support/faults/window.ts";
import { startHub, type TestHub } from "../../support/hub.ts";

const INPUTS = "devices/gw/modules/sink/#";
const ROUTES = { r: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")' };

interface Delivery {
  readonly packetId: number;
  readonly body: string;
}

interface Redelivery extends Delivery {
  readonly isDup: boolean;
}

async function inFlightOf(hub: TestHub): Promise<number> {
  return (await hub.hub.queues()).find(({ endpoint }) => endpoint === "sink/in")!.inFlight;
}

async function lengthOf(hub: TestHub): Promise<number> {
  return (await hub.hub.queues()).find(({ endpoint }) => endpoint === "sink/in")!.length;
}

/** Publishes `count` messages, numbered from where the publisher stands, and waits for their PUBACKs. */
async function publish(hub: TestHub, publisher: WindowPublisher, count: number): Promise<void> {
  const goal = publisher.next + count;
  publisher.onAck = () => {
    if (publisher.next >= goal) publisher.stop();
  };
  void publisher.run(hub.port);
  await until("acknowledged", () => publisher.next >= goal && publisher.inFlight === 0);
  publisher.disconnect();
}

test("a module that takes over its own connection settles only what it has acknowledged [J23 J25]", async () => {
  await using hub = await startHub();
  await hub.routes(ROUTES);
  const sink = await hub.identity("gw", "sink");
  await publish(hub, new WindowPublisher(await hub.identity("d"), 1, String), 60);
  const total = await lengthOf(hub);

  const before: Delivery[] = [];
  using old = new RawClient(hub.port, sink, {
    onPublish: ({ messageId, payload }) => before.push({ packetId: messageId!, body: String(payload) }),
  });
  await old.connected;
  await old.subscribe(INPUTS);
  await until("delivered", () => before.length === total);

  // The new one says CONNECT and SUBSCRIBE in one breath, as it may, while the old one is still being closed.
  const deliveries: Delivery[] = [];
  using young = new RawClient(
    hub.port,
    sink,
    {
      onPublish: ({ messageId, payload }) => deliveries.push({ packetId: messageId!, body: String(payload) }),
    },
    [subscription(INPUTS)],
  );
  await young.connected;
  await until("delivered again", () => deliveries.length >= total);
  await young.ping();
  const acknowledged = new Set<string>();
  for (const { packetId, body } of deliveries.slice(0, 20)) {
    young.puback(packetId);
    acknowledged.add(body);
  }
  await young.ping();
  expect(await lengthOf(hub)).toBe(total - acknowledged.size);
  expect(
    deliveries.map(({ body }) => Number(body)),
    "once each",
  ).toEqual([...Array(total).keys()]);
});

test("while a delivery is in hand its packet id is never given to another, whatever becomes of the routes [J25 MQTT-2.3.1-3]", async () => {
  await using hub = await startHub();
  await hub.routes(ROUTES);
  const sink = await hub.identity("gw", "sink");
  const device = await hub.identity("d");
  await publish(hub, new WindowPublisher(device, 1, String), 10);

  const inHand = new Map<number, string>();
  const reused: string[] = [];
  using client = new RawClient(hub.port, sink, {
    onPublish({ messageId, payload }) {
      const held = inHand.get(messageId!);
      if (held !== undefined && held !== String(payload))
        reused.push(`${messageId}: ${held}, then ${String(payload)}`);
      inHand.set(messageId!, String(payload));
    },
  });
  await client.connected;
  await client.subscribe(INPUTS);
  await until("delivered", () => inHand.size >= 10);
  for (const packetId of [...inHand.keys()].slice(0, 5)) {
    client.puback(packetId);
    inHand.delete(packetId);
  }
  await client.ping();
  await hub.routes({ ...ROUTES, another: 'FROM /messages/* WHERE a = "b" INTO $upstream' });
  await publish(hub, new WindowPublisher(device, 1, (n) => `new ${n}`), 10);
  await client.ping();
  await client.subscribe(INPUTS);
  await client.ping();
  expect(reused).toEqual([]);
});

test("what a module had in hand comes again under its packet id, marked as such, and new messages are not [J25 MQTT-3.3.1-1]", async () => {
  await using hub = await startHub();
  await hub.routes(ROUTES);
  const sink = await hub.identity("gw", "sink");
  const device = await hub.identity("d");
  await publish(hub, new WindowPublisher(device, 1, String), 5);
  const first: Redelivery[] = [];
  const second: Redelivery[] = [];
  const into = (list: Redelivery[]): RawHandlers => ({
    onPublish: ({ messageId, payload, dup }) =>
      list.push({ packetId: messageId!, body: String(payload), isDup: dup }),
  });

  using old = new RawClient(hub.port, sink, into(first));
  await old.connected;
  await old.subscribe(INPUTS);
  await until("delivered", () => first.length >= 5);
  old.puback(first[0]!.packetId);
  old.puback(first[2]!.packetId);
  old.puback(first[2]!.packetId); // and once more, which means nothing
  old.puback(60_000);
  await old.ping();
  old[Symbol.dispose]();
  await until("gone", async () => (await inFlightOf(hub)) === 0);
  await publish(hub, new WindowPublisher(device, 1, (n) => `new ${n}`), 2);

  using young = new RawClient(hub.port, sink, into(second));
  await young.connected;
  await young.subscribe(INPUTS);
  const total = await lengthOf(hub);
  await until(
    "delivered again",
    () => second.filter(({ isDup }) => !isDup).length >= 2 && second.length >= total - 1,
  );
  const inHand = first.filter((_, i) => i !== 0 && i !== 2);
  expect(first.some(({ isDup }) => isDup)).toBe(false);
  expect(second.slice(0, inHand.length)).toEqual(inHand.map((delivery) => ({ ...delivery, isDup: true })));
  expect(second.slice(inHand.length).some(({ isDup }) => isDup)).toBe(false);
  expect((await hub.hub.status()).counters["redelivered"]).toBe(inHand.length);
});

test("a module that is removed, or unsubscribes, leaves its inputs to whoever comes next [J25]", async () => {
  await using hub = await startHub();
  await hub.routes(ROUTES);
  const sink = await hub.identity("gw", "sink");
  await publish(hub, new WindowPublisher(await hub.identity("d"), 1, String), 3);
  const input = async () => {
    const { consumer, inFlight } = (await hub.hub.queues()).find(({ endpoint }) => endpoint === "sink/in")!;
    return { consumer, inFlight };
  };
  const total = await lengthOf(hub);
  using client = new RawClient(hub.port, sink);
  await client.connected;
  await client.subscribe(INPUTS);
  expect(await input()).toEqual({ consumer: "mqtt", inFlight: total });
  await client.unsubscribe(INPUTS);
  expect(await input()).toEqual({ consumer: null, inFlight: 0 });
  await client.subscribe(INPUTS);
  await hub.hub.removeIdentity("gw", "sink");
  await client.closed;
  expect(await input()).toEqual({ consumer: null, inFlight: 0 });
});

test("a module gets the messages of an input that came to be after it subscribed", async () => {
  await using hub = await startHub();
  const bodies: string[] = [];
  using client = new RawClient(hub.port, await hub.identity("gw", "sink"), {
    onPublish: ({ payload }) => bodies.push(String(payload)),
  });
  await client.connected;
  await client.subscribe(INPUTS);
  await hub.routes(ROUTES);
  await publish(hub, new WindowPublisher(await hub.identity("d"), 1, String), 1);
  await until("delivered", () => bodies.length > 0);
  expect(bodies[0]).toBe("0");
});

test("a message that asks for QoS 0 is delivered so, and settled; a subscription with QoS 0 settles all [contract 4.2]", async () => {
  await using hub = await startHub();
  await hub.routes(ROUTES);
  const device = await hub.connect(await hub.identity("d"));
  for (const bag of ["mqtt-qos=0", "x=1&mqtt-qos=0&y=2", "mqtt-qos=1", "not-mqtt-qos=0"]) {
    await device.publishAsync(`devices/d/messages/events/${bag}`, bag, { qos: 1 });
  }
  const sink = await hub.identity("gw", "sink");
  const got: (readonly [string, number])[] = [];
  using client = new RawClient(hub.port, sink, {
    onPublish: ({ payload, qos }) => got.push([String(payload), qos]),
  });
  await client.connected;
  await client.subscribe(INPUTS);
  await until("delivered", () => got.length === 4);
  expect(got.map(([, qos]) => qos)).toEqual([0, 0, 1, 1]);
  await until("settled", async () => (await lengthOf(hub)) === 2);
  await client.subscribe(INPUTS, 0);
  await device.publishAsync("devices/d/messages/events/", "last", { qos: 1 });
  await until("delivered", () => got.length === 5);
  expect(got.at(-1)).toEqual(["last", 0]);
});
