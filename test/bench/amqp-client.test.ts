/** The bench's own AMQP clients, against a real hub: all that is sent is accepted and delivered, and a refusal is told. */
import { expect, test } from "vitest";
import type { KeyedIdentity } from "../../hub/face.ts";
import { GATEWAY, startHub, tokenOf } from "../support/hub.ts";
import { AmqpConsumer, AmqpProducer, reached, type AmqpLogin } from "./amqp-client.ts";

const WAIT_MS_MAX = 30_000;

const login = (identity: KeyedIdentity, token = tokenOf(identity)): AmqpLogin => {
  const { deviceId, moduleId } = identity;
  const path = moduleId === undefined ? deviceId : `${deviceId}/modules/${moduleId}`;
  return { user: `${path}@sas.${GATEWAY}`, token, address: `/devices/${path}/messages/events` };
};

test("every message of a producer is accepted, and delivered to the consumer, through windows and credit", async () => {
  await using hub = await startHub({ amqp: true });
  const [device, module] = [await hub.identity("d"), await hub.identity(GATEWAY, "sink")];
  await hub.routes({ r: 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")' });
  using consumer = new AmqpConsumer(hub.amqpPort, login(module));
  using producer = new AmqpProducer(hub.amqpPort, login(device), 50);
  await reached("accepted", () => producer.accepted > 2_000, WAIT_MS_MAX);
  producer.stop();
  await reached("all accepted", () => producer.accepted === producer.sent, WAIT_MS_MAX);
  await reached("all delivered", () => consumer.received >= producer.sent, WAIT_MS_MAX);
  expect(consumer.received).toBe(producer.sent);
  expect([...producer.faults, ...consumer.faults]).toEqual([]);
});

test("a client that is refused says so", async () => {
  await using hub = await startHub({ amqp: true });
  const device = await hub.identity("d");
  using producer = new AmqpProducer(hub.amqpPort, login(device, "no token"), 1);
  await reached("refused", () => producer.faults.length > 0, WAIT_MS_MAX);
  using stray = new AmqpProducer(
    hub.amqpPort,
    { ...login(device), address: "/devices/other/messages/events" },
    1,
  );
  await reached("refused", () => stray.faults.length > 0, WAIT_MS_MAX);
  expect(stray.faults.join()).toMatch(/^refused: .*amqp:unauthorized-access/);
});
