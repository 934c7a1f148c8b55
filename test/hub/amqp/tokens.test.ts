/** Tokens put on `$cbs`, by a client that is not ours: rhea. */
import { randomUUID } from "node:crypto";
import type { Message, Sender } from "rhea";
import { afterEach, expect, test } from "vitest";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { CLOCK_SKEW_MS } from "../../../hub/identity/sas.ts";
import { startHub, tokenOf, type TestHub } from "../../support/hub.ts";
import {
  connectRaw,
  data,
  detached,
  eventsOf,
  send,
  type RawClient,
  type RawReceiver,
} from "./raw-client.ts";

let hub: TestHub;
afterEach(() => hub[Symbol.asyncDispose]());

class Cbs {
  readonly #sender: Sender;
  readonly #receiver: RawReceiver;

  private constructor(sender: Sender, receiver: RawReceiver) {
    this.#sender = sender;
    this.#receiver = receiver;
  }

  static async open(client: RawClient): Promise<Cbs> {
    return new Cbs(await client.sender("$cbs"), await client.receiver("$cbs"));
  }

  /** The answer's status, and what it says. */
  async put(name: string, token: string, more: object = {}): Promise<[unknown, unknown]> {
    const id = randomUUID();
    const properties = { operation: "put-token", type: "servicebus.windows.net:sastoken", name };
    const request = { message_id: id, to: "$cbs", reply_to: "cbs", body: token };
    void send(this.#sender, { ...request, application_properties: { ...properties, ...more } } as Message);
    const { message } = await this.#receiver.next();
    expect(message.correlation_id).toBe(id);
    const { "status-code": status, "status-description": text } = message.application_properties!;
    return [status, text];
  }
}

const audience = ({ deviceId, moduleId }: KeyedIdentity): string =>
  encodeURIComponent(`gw/devices/${deviceId}${moduleId === undefined ? "" : `/modules/${moduleId}`}`);

test("a connection without SASL shows its tokens by CBS: several identities, each for its own links", async () => {
  hub = await startHub({ amqp: true });
  await hub.routes({ up: "FROM /messages/* INTO $upstream" });
  const identities = [await hub.identity("d1"), await hub.identity("d2"), await hub.identity("gw", "m")];
  const client = connectRaw(hub, {}); // bare AMQP: rhea has no credentials
  await expect(client.sender(eventsOf(identities[0]!))).rejects.toThrow("amqp:unauthorized-access");
  const cbs = await Cbs.open(client);
  for (const identity of identities) {
    expect(await cbs.put(audience(identity), tokenOf(identity))).toEqual([200, "OK"]);
    const sender = await client.sender(eventsOf(identity));
    expect(await send(sender, { body: data("x") })).toBe("accepted");
  }
  expect(await cbs.put(audience(identities[0]!), tokenOf(identities[0]!))).toEqual([200, "OK"]); // renewed
  expect((await hub.hub.status()).connections).toBe(3);
  const { events } = await hub.hub.readEvents({ from: 0, limit: 9, waitMs: 1000 });
  expect(events.map(({ deviceId, moduleId }) => [deviceId, moduleId])).toEqual([
    ["d1", null],
    ["d2", null],
    ["gw", "m"],
  ]);
  await hub.hub.removeIdentity("d2"); // takes its links, and leaves the others theirs
  await expect(client.sender("/devices/d2/messages/events")).rejects.toThrow("amqp:unauthorized-access");
  await client.sender("/devices/d1/messages/events", { name: "again" });
  client.close();
});

test("a token that ends takes the links of its identity, those of others on the connection stay, and another brings them back", async () => {
  hub = await startHub({ amqp: true });
  const [ending, lasting] = [await hub.identity("d1"), await hub.identity("d2")];
  const client = connectRaw(hub, {});
  const cbs = await Cbs.open(client);
  const aboutToEnd = () => tokenOf(ending, 2 - CLOCK_SKEW_MS / 1000);
  expect(await cbs.put(audience(ending), aboutToEnd())).toEqual([200, "OK"]);
  expect(await cbs.put(audience(lasting), tokenOf(lasting))).toEqual([200, "OK"]);
  const ended = detached(await client.sender(eventsOf(ending)));
  const stays = await client.sender(eventsOf(lasting));
  expect(await ended).toBe("amqp:unauthorized-access");
  expect(await send(stays, { body: data("x") })).toBe("accepted");
  expect(await hub.hub.clients()).toMatchObject([{ deviceId: "d2" }]);
  await expect(client.sender(eventsOf(ending), { name: "late" })).rejects.toThrow("amqp:unauthorized-access");
  expect(await cbs.put(audience(ending), tokenOf(ending))).toEqual([200, "OK"]);
  await client.sender(eventsOf(ending), { name: "back" });
  expect((await hub.hub.clients()).map(({ deviceId }) => deviceId)).toEqual(["d2", "d1"]);
  client.close();
});

test("an identity with other keys has to show a token of those, also for links that it has not asked for yet", async () => {
  hub = await startHub({ amqp: true });
  const [changed, other] = [await hub.identity("d1"), await hub.identity("d2")];
  const client = connectRaw(hub, {});
  const cbs = await Cbs.open(client);
  for (const identity of [changed, other]) await cbs.put(audience(identity), tokenOf(identity));
  const keys = newKeys();
  await hub.hub.changeIdentity({ deviceId: "d1", authentication: { type: "sas", ...keys } });
  await expect(client.sender(eventsOf(changed))).rejects.toThrow("amqp:unauthorized-access");
  await client.sender(eventsOf(other));
  expect(await cbs.put(audience(changed), tokenOf({ ...changed, ...keys }))).toEqual([200, "OK"]);
  await client.sender(eventsOf(changed), { name: "again" });
  client.close();
});

test("a token is refused with a reason: of another, unknown, too old, not a token, for nobody", async () => {
  hub = await startHub({ amqp: true });
  const [one, other] = [await hub.identity("d1"), await hub.identity("d2")];
  const client = connectRaw(hub, {});
  const cbs = await Cbs.open(client);
  const name = audience(one);
  expect(await cbs.put(name, tokenOf(other))).toEqual([401, "token is for another resource"]);
  expect(await cbs.put(name, tokenOf({ ...one, primaryKey: other.primaryKey }))).toEqual([
    401,
    "token is signed with another key",
  ]);
  expect((await cbs.put(name, tokenOf(one, -1000)))[0]).toBe(401);
  expect((await cbs.put(name, "nonsense"))[0]).toBe(401);
  expect(await cbs.put("gw/devices/nobody", tokenOf(one))).toEqual([401, "no such device or module"]);
  expect((await cbs.put("gw", tokenOf(one)))[0]).toBe(400);
  expect((await cbs.put(name, tokenOf(one), { operation: "delete-token" }))[0]).toBe(400);
  expect((await cbs.put(name, tokenOf(one), { type: "jwt" }))[0]).toBe(400);
  await expect(client.sender(eventsOf(one))).rejects.toThrow("amqp:unauthorized-access");
  const { troubles, counters } = await hub.hub.status();
  expect(troubles.length).toBeGreaterThan(0);
  expect(counters["connections_refused"]).toBeGreaterThanOrEqual(5);
  client.close();
});
