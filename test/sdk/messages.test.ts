/** What a message says, sent by Microsoft's SDK over each transport: as the event log and the next module have it. */
import device, { type Message } from "azure-iot-device";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bodyOf, SdkGateway, within } from "./harness.ts";
import { TRANSPORTS } from "./transports.ts";

let gateway: SdkGateway;
beforeAll(async () => {
  gateway = await SdkGateway.start();
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

describe.each(TRANSPORTS)("over %s", (transport) => {
  test("a device's telemetry is logged with ids, type, encoding and properties as they were", async () => {
    const name = `telemetry-${transport}`;
    const client = await gateway.device(transport, await gateway.identity(name));
    for (let n = 0; n < 3; n++) await within("acknowledgement", client.sendEvent(message(`{"n":${n}}`)));
    const events = await gateway.logged(name);
    expect(events.map(bodyOf)).toEqual(['{"n":0}', '{"n":1}', '{"n":2}']);
    const [{ systemProperties, properties }] = events as [(typeof events)[0]];
    expect(Object.fromEntries(systemProperties.map(({ name: key, value }) => [key, value]))).toMatchObject({
      messageId: UUID,
      correlationId: "c-1",
      contentType: "application/json",
      contentEncoding: "utf-8",
    });
    expect(new Map(properties.map(({ name: key, value }) => [key, value]))).toEqual(ODD);
  });
});
