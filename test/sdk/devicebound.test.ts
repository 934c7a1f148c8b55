/** Messages to devices, as Microsoft's SDK receives and settles them over each transport. */
import { on } from "node:events";
import type { Client, Message } from "azure-iot-device";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SdkGateway, within } from "./harness.ts";
import { isMqtt, TRANSPORTS } from "./transports.ts";

let gateway: SdkGateway;
beforeAll(async () => {
  gateway = await SdkGateway.start();
});
afterEach(() => gateway.closeClients());
afterAll(() => gateway[Symbol.asyncDispose]());

const send = (deviceId: string, text: string, more: object = {}) =>
  gateway.management.sendDevicebound(deviceId, { bodyBase64: Buffer.from(text).toString("base64"), ...more });

/** What a device is sent, one after the other. */
function messagesOf(client: Client): () => Promise<Message> {
  const arrivals = on(client, "message");
  return async () => ((await within("message", arrivals.next())).value as [Message])[0];
}

/** Feedback on what a device was sent. */
async function verdictsOn(deviceId: string): Promise<string[]> {
  const { records } = await gateway.management.feedback({ limit: 1000, waitMs: 0 });
  return records.filter((record) => record.deviceId === deviceId).map(({ statusCode }) => statusCode);
}

describe.each(TRANSPORTS)("over %s", (transport) => {
  test("a message to a device arrives as it was sent, also one from before it came, and is completed", async () => {
    const { deviceId, ...identity } = await gateway.identity(`cloud-${transport}`);
    await send(deviceId, "early");
    const client = await gateway.device(transport, { deviceId, ...identity });
    const next = messagesOf(client);
    const early = await next();
    expect(early.getBytes().toString()).toBe("early");
    const system = { messageId: "m/1", correlationId: "c 1", contentType: "application/json" };
    await send(deviceId, "öffne", { ...system, ack: "full", properties: { level: "högh/&" } });
    const late = await next();
    expect(late.getBytes().toString()).toBe("öffne");
    expect(late).toMatchObject({ ...system, to: `/devices/${deviceId}/messages/devicebound` });
    expect(late.properties.getValue("level")).toBe("högh/&");
    for (const message of [early, late]) await client.complete(message);
    await expect.poll(() => gateway.management.devicebound(deviceId)).toEqual([]);
    expect(await verdictsOn(deviceId)).toEqual(["Success"]);
  });

  test("a message that is abandoned comes again, and one that is rejected is told of, where the SDK can", async () => {
    const identity = await gateway.identity(`judge-${transport}`);
    const client = await gateway.device(transport, identity);
    const next = messagesOf(client);
    await send(identity.deviceId, "verdict", { ack: "full" });
    const first = await next();
    if (isMqtt(transport)) {
      await expect(client.abandon(first)).rejects.toMatchObject({ name: "NotImplementedError" });
      await expect(client.reject(first)).rejects.toMatchObject({ name: "NotImplementedError" });
    } else {
      await client.abandon(first);
      const again = await next();
      expect(again.messageId).toBe(first.messageId);
      await client.reject(again);
    }
    await expect
      .poll(() => verdictsOn(identity.deviceId))
      .toEqual([isMqtt(transport) ? "Success" : "Rejected"]);
  });
});
