/** Twin and method links, by a client that is not ours (rhea), with services that the test plays. */
import { randomUUID } from "node:crypto";
import rhea, { type Message } from "rhea";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AmqpHead } from "../../../hub/amqp/head.ts";
import type { AmqpHandler } from "../../../hub/amqp/handler.ts";
import { MethodLink } from "../../../hub/amqp/method-link.ts";
import type { ClientServices, MethodCall } from "../../../hub/amqp/services.ts";
import { TwinLink } from "../../../hub/amqp/twin-link.ts";
import type { Listener } from "../../../hub/mqtt/listener.ts";
import { connectRaw, data, detached, type RawClient, type RawReceiver } from "./raw-client.ts";

const TWIN = "/devices/d1/twin";
const METHODS = "/devices/d1/methods/devicebound";
const CORRELATION = "com.microsoft:channel-correlation-id";

/** What the hub would do. */
class Services implements ClientServices {
  readonly patches: string[] = [];
  push: ((patch: Uint8Array) => void) | null = null;
  call: ((call: MethodCall) => void) | null = null;

  getTwin(_identity: unknown, answer: (status: number, body: Uint8Array | null) => void): void {
    answer(200, Buffer.from('{"desired":{},"reported":{}}'));
  }

  patchReported(_identity: unknown, patch: Uint8Array, answer: (status: number, body: null) => void): void {
    this.patches.push(Buffer.from(patch).toString());
    answer(204, null);
  }

  watchDesired(_identity: unknown, push: (patch: Uint8Array) => void): () => void {
    this.push = push;
    return () => void (this.push = null);
  }

  serveMethods(_identity: unknown, call: (call: MethodCall) => void): () => void {
    this.call = call;
    return () => void (this.call = null);
  }
}

let services: Services;
let listener: Listener;
let client: RawClient;

beforeEach(async () => {
  services = new Services();
  const identity = { deviceId: "d1", moduleId: null };
  const twin = new TwinLink(identity, services);
  const methods = new MethodLink(identity, services);
  const handler: AmqpHandler = {
    verifyToken: () => ({ ok: true, identity, expiresMs: Infinity, by: "key" }),
    verifyCertificate: () => ({ ok: false, text: "no device of this certificate" }),
    onShown: () => undefined,
    onLink: (_connection, { purpose, link }) => {
      (purpose.kind === "twin" ? twin : methods).pair.attach(link);
      return null;
    },
    onTrouble: () => undefined,
    onClose: () => undefined,
  };
  const head = await AmqpHead.load(handler);
  listener = await head.listen({ protocol: "amqp", host: "127.0.0.1", port: 0 });
  client = connectRaw({ amqpPort: listener.port }, { username: "d1@sas.gw", password: "x" });
});

afterEach(async () => {
  client.close();
  await listener.close();
});

async function pair(address: string, id: string) {
  const properties = { [CORRELATION]: `twin:${id}` };
  const options = { properties, snd_settle_mode: 1 };
  return { out: await client.sender(address, options), into: await client.receiver(address, options) };
}

const bodyOf = ({ body }: Message): string => Buffer.from((body as { content: Buffer }).content).toString();

async function ask(
  { out, into }: { out: rhea.Sender; into: RawReceiver },
  annotations: object,
  body = " ",
): Promise<Message> {
  const correlation_id = randomUUID();
  out.send({ correlation_id, message_annotations: annotations, body: data(body) } as Message);
  const { message } = await into.next();
  expect(message.correlation_id).toBe(correlation_id);
  return message;
}

test("a twin is read and patched, and patches come once they are asked for", async () => {
  const links = await pair(TWIN, "1");
  const got = await ask(links, { operation: "GET" });
  expect(got.message_annotations!["status"]).toBe(200);
  expect(bodyOf(got)).toBe('{"desired":{},"reported":{}}');
  const patched = await ask(links, { operation: "PATCH", resource: "/properties/reported" }, '{"a":1}');
  expect(patched.message_annotations!["status"]).toBe(204);
  expect(services.patches).toEqual(['{"a":1}']);
  const desired = { resource: "/notifications/twin/properties/desired" };
  expect((await ask(links, { operation: "PUT", ...desired })).message_annotations!["status"]).toBe(200);
  services.push!(Buffer.from('{"b":2,"$version":3}'));
  const { message } = await links.into.next();
  expect(message.correlation_id).toBeUndefined();
  expect(bodyOf(message)).toBe('{"b":2,"$version":3}');
  await ask(links, { operation: "DELETE", ...desired });
  expect(services.push).toBeNull();
  expect((await ask(links, { operation: "JUMP" })).message_annotations!["status"]).toBe(400);
});

test("a half with another correlation id closes the older half, and the end of a link ends what it asked for", async () => {
  const links = await pair(TWIN, "1");
  await ask(links, { operation: "PUT", resource: "/notifications/twin/properties/desired" });
  const gone = new Promise((resolve) => links.into.link.on("receiver_close", resolve));
  const later = await pair(TWIN, "2");
  await gone;
  expect(services.push).toBeNull();
  expect((await ask(later, { operation: "GET" })).message_annotations!["status"]).toBe(200);
});

test("a method is called by name and answered by correlation id, as a uuid too", async () => {
  const { out, into } = await pair(METHODS, "1");
  for (const asUuid of [false, true]) {
    const answered = new Promise((resolve) => {
      const respond = (status: number, payload: Uint8Array) =>
        resolve([status, Buffer.from(payload).toString()]);
      services.call!({ name: "reboot", payload: Buffer.from('{"in":5}'), respond });
    });
    const { message } = await into.next();
    expect(message.application_properties).toEqual({ "IoThub-methodname": "reboot" });
    expect(bodyOf(message)).toBe('{"in":5}');
    const id = message.correlation_id as string;
    out.send({
      correlation_id: asUuid ? rhea.string_to_uuid(id) : id.toUpperCase(),
      application_properties: { "IoThub-status": rhea.types.wrap_int(201) },
      body: data('"done"'),
    } as Message);
    expect(await answered).toEqual([201, '"done"']);
  }
  into.link.close();
  await new Promise((resolve) => into.link.on("receiver_close", resolve));
  expect(services.call).toBeNull();
});

test("who asks and never reads the answers loses the link for them", async () => {
  const properties = { [CORRELATION]: "1" };
  const out = await client.sender(TWIN, { properties, snd_settle_mode: 1 });
  const into = await client.receiver(TWIN, { properties, credit_window: 0 });
  const gone = detached(into.link);
  let asked = 0;
  const more = () => {
    for (let n = 0; n < 20 && asked < 400 && out.sendable(); n++, asked++) {
      out.send({
        correlation_id: "x",
        message_annotations: { operation: "GET" },
        body: data(" "),
      } as Message);
    }
  };
  out.on("sendable", more);
  more();
  expect(await gone).toBe("amqp:resource-limit-exceeded");
});
