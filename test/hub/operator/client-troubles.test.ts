import { expect, test } from "vitest";
import { ClientTroubles } from "../../../hub/operator/client-troubles.ts";
import { startHub } from "../../support/hub.ts";

test("each client is there once, with its latest trouble, the latest client first", () => {
  const troubles = new ClientTroubles();
  troubles.note("a", "first", 0);
  troubles.note("b", "other", 1_000);
  troubles.note("a", "second", 2_000);
  expect(troubles.list()).toEqual([
    { client: "a", what: "second", at: "1970-01-01T00:00:02.000Z", times: 2 },
    { client: "b", what: "other", at: "1970-01-01T00:00:01.000Z", times: 1 },
  ]);
});

test("however many strangers knock, and however long their names are, a few are remembered", () => {
  const troubles = new ClientTroubles();
  for (let i = 0; i < 10_000; i++) troubles.note(`${i}-${"x".repeat(1_000)}`, "y".repeat(1_000), i);
  const list = troubles.list();
  expect(list.map(({ client }) => client.split("-")[0])).toEqual(
    Array.from({ length: 16 }, (_, i) => String(9_999 - i)),
  );
  for (const { client, what } of list) {
    expect(client).toHaveLength(128);
    expect(what).toHaveLength(300);
  }
});

test("the hub says why a client was refused, closed or not listened to", async () => {
  await using hub = await startHub();
  const identity = await hub.identity("d1");
  const troubles = async () =>
    (await hub.hub.status()).troubles.map(({ client, what }) => `${client}: ${what}`);
  await expect(hub.connect({ ...identity, primaryKey: btoa("x".repeat(32)) })).rejects.toThrow();
  expect(await troubles()).toEqual(["d1: refused: token is signed with another key"]);

  const device = await hub.connect(identity);
  await device.publishAsync("devices/d2/messages/events/", "x", { qos: 1 });
  expect(await troubles()).toEqual(['d1: published to "devices/d2/messages/events/", which leads nowhere']);

  device.on("error", () => {});
  device.publish("devices/d1/messages/events/#", "x", { qos: 1 });
  await expect
    .poll(troubles)
    .toEqual([expect.stringContaining("d1: closed: topic is empty, has a wildcard")]);
});

test("a client that comes and goes in order is no trouble", async () => {
  await using hub = await startHub();
  const device = await hub.connect(await hub.identity("d1"));
  await device.endAsync();
  await expect.poll(async () => (await hub.hub.status()).connections).toBe(0);
  expect((await hub.hub.status()).troubles).toEqual([]);
});
