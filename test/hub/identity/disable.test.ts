/** What happens to who is connected when an identity is disabled, removed or given other keys. */
import { expect, test } from "vitest";
import { newKeys } from "../../../hub/identity/keys.ts";
import { startHub, type TestHub } from "../../support/hub.ts";
import { connectRaw, eventsOf, plain, within } from "../amqp/raw-client.ts";

interface KeyPair {
  readonly primaryKey: string;
  readonly secondaryKey: string;
}

const CHANGES: Readonly<Record<string, (hub: TestHub, name: string) => Promise<unknown>>> = {
  "is disabled": ({ hub }, deviceId) => hub.changeIdentity({ deviceId, enabled: false }),
  "is removed": ({ hub }, deviceId) => hub.removeIdentity(deviceId),
  "gets other keys": ({ hub }, deviceId) =>
    hub.changeIdentity({ deviceId, authentication: { type: "sas", ...newKeys() } }),
};

test.for(Object.entries(CHANGES))(
  "a device that %s is disconnected over MQTT, and refused",
  async ([, change]) => {
    await using hub = await startHub();
    const one = await hub.identity("d1");
    const client = await hub.connect(one);
    const closed = new Promise<string>((resolve) => client.once("close", () => resolve("closed")));
    await change(hub, "d1");
    expect(await within("end", closed)).toBe("closed");
    await expect(hub.connect(one)).rejects.toThrow("Not authorized");
  },
);

test.for(Object.entries(CHANGES))(
  "a device that %s is disconnected over AMQP, and refused",
  async ([, change]) => {
    await using hub = await startHub({ amqp: true });
    const one = await hub.identity("d1");
    const client = connectRaw(hub, plain(one));
    await client.sender(eventsOf(one));
    await change(hub, "d1");
    expect(await within("end", client.ended)).toBe("amqp:unauthorized-access");
    await within("refusal", connectRaw(hub, plain(one)).ended);
  },
);

test.for([
  ["primaryKey", "secondaryKey"],
  ["secondaryKey", "primaryKey"],
] as const)("a new %s ends who connected by the old one, and the %s goes on", async ([renew, other]) => {
  await using hub = await startHub({ amqp: true });
  const one = await hub.identity("d1");
  const byOther = { ...one, primaryKey: one[other] };
  const byRenewed = { ...one, primaryKey: one[renew] };

  const staying = await hub.connect(byOther);
  const first = await hub.hub.changeIdentity({ deviceId: "d1", renew });
  expect(first.authentication).toMatchObject({ [other]: one[other] });
  expect((first.authentication as KeyPair)[renew]).not.toBe(one[renew]);
  await staying.publishAsync(`devices/d1/messages/events/`, "still here", { qos: 1 });
  await expect(hub.connect(byRenewed)).rejects.toThrow("Not authorized");
  await staying.endAsync(true);

  const newest = { ...one, primaryKey: (first.authentication as KeyPair)[renew] };
  const mqtt = await hub.connect(newest);
  const closed = new Promise<string>((resolve) => mqtt.once("close", () => resolve("closed")));
  await hub.hub.changeIdentity({ deviceId: "d1", renew });
  expect(await within("end", closed)).toBe("closed");

  const amqp = connectRaw(hub, plain(byOther));
  const sender = await amqp.sender(eventsOf(one));
  await hub.hub.changeIdentity({ deviceId: "d1", renew });
  expect(sender.is_open()).toBe(true);
  await hub.hub.changeIdentity({ deviceId: "d1", renew: other });
  expect(await within("end", amqp.ended)).toBe("amqp:unauthorized-access");
});

test("an AMQP connection that has shown a key, and no more, is nobody once the key is renewed", async () => {
  await using hub = await startHub({ amqp: true });
  const one = await hub.identity("d1");
  const client = connectRaw(hub, plain(one));
  await within("open", new Promise((resolve) => client.connection.once("connection_open", resolve)));
  await hub.hub.changeIdentity({ deviceId: "d1", renew: "primaryKey" });
  await expect(within("link", client.sender(eventsOf(one)))).rejects.toThrow();
  client.close();
});

test("a device that shows a certificate has no key to renew", async () => {
  await using hub = await startHub();
  const authentication = { type: "certificateAuthority" } as const;
  await hub.hub.addIdentity({ deviceId: "x", enabled: true, authentication });
  await expect(hub.hub.changeIdentity({ deviceId: "x", renew: "primaryKey" })).rejects.toMatchObject({
    code: "SP_IDENTITY_CERTIFICATE",
  });
});

test("an AMQP connection without links has its identity no longer, once that is disabled", async () => {
  await using hub = await startHub({ amqp: true });
  const one = await hub.identity("d1");
  const client = connectRaw(hub, plain(one));
  await within("open", new Promise((resolve) => client.connection.once("connection_open", resolve)));
  await hub.hub.changeIdentity({ deviceId: "d1", enabled: false });
  await expect(within("link", client.sender(eventsOf(one)))).rejects.toThrow();
  client.close();
});

test("a module goes when its device is disabled, and others stay", async () => {
  await using hub = await startHub();
  await hub.identity("d1");
  const module = await hub.identity("d1", "m");
  const other = await hub.connect(await hub.identity("d2"));
  const client = await hub.connect(module);
  const closed = new Promise<string>((resolve) => client.once("close", () => resolve("closed")));
  await hub.hub.changeIdentity({ deviceId: "d1", enabled: false });
  expect(await within("end", closed)).toBe("closed");
  await expect(hub.connect(module)).rejects.toThrow("Not authorized");
  expect(other.connected).toBe(true);
  await hub.hub.changeIdentity({ deviceId: "d1", enabled: true });
  expect((await hub.connect(module)).connected).toBe(true);
});
