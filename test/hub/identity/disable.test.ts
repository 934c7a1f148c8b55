/** What happens to who is connected when an identity is disabled, removed or given other keys. */
import { expect, test } from "vitest";
import { newKeys } from "../../../hub/identity/keys.ts";
import { startHub, type TestHub } from "../../support/hub.ts";
import { connectRaw, eventsOf, plain, within } from "../amqp/raw-client.ts";

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
