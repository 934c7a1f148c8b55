/** `kill -9` while messages are sent to a device and completed by it, on a real store. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Hub, KeyedIdentity } from "../../../hub/face.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { RawClient } from "../../support/faults/raw-client.ts";
import { until } from "../../support/faults/window.ts";
import { seeded } from "../../support/seed.ts";

const dir = mkdtempSync(join(tmpdir(), "sandpiper-c2d-kill-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ROUNDS = 3;
const SENT_PER_ROUND = 30;
const FILTER = "devices/d/messages/devicebound/#";

/** A device that completes all it gets, until the hub is gone. */
async function takeAll(child: HubChild, identity: KeyedIdentity, onPublish: (body: string) => void) {
  const client: RawClient = new RawClient(child.port, identity, {
    isKept: true,
    onPublish: ({ messageId, payload }) => {
      onPublish(String(payload));
      client.puback(messageId!);
    },
  });
  await client.connected;
  await client.subscribe(FILTER);
  return client;
}

const completed = async (hub: Hub): Promise<string[]> =>
  (await hub.readFeedback({ limit: 1_000, waitMs: 0 })).records.map((record) => record.originalMessageId);
const waiting = async (hub: Hub): Promise<string[]> =>
  (await hub.devicebound("d")).map(({ messageId }) => messageId);

test("a hub killed while a device takes its messages has each that was sent waiting, or completed and told of once [J1 J2 J8]", async () => {
  const { below } = seeded("c2d kill rounds");
  const device = { deviceId: "d", ...newKeys(), enabled: true };
  const sent = new Set<string>();
  const got = new Set<string>();
  let child = await HubChild.start({ storeDir: dir });
  try {
    await child.hub.addIdentity(device);
    for (let round = 0; round < ROUNDS; round++) {
      await takeAll(child, device, (body) => got.add(body));
      const killAt = 5 + below(SENT_PER_ROUND - 10);
      let answered = 0;
      const send = async (i: number): Promise<void> => {
        const messageId = `${round}/${i}`;
        await child.hub.sendDevicebound("d", { body: Buffer.from(messageId), messageId, ack: "full" });
        sent.add(messageId);
        if (++answered === killAt) await child.kill();
      };
      await Promise.allSettled(Array.from({ length: SENT_PER_ROUND }, (_, i) => send(i)));
      await child.kill();
      child = await HubChild.start({ storeDir: dir });
      const [left, done] = [await waiting(child.hub), await completed(child.hub)];
      expect(new Set(done).size, "told once").toBe(done.length);
      expect(
        left.filter((id) => done.includes(id)),
        "waits and is over",
      ).toEqual([]);
      for (const id of sent) expect(left.includes(id) || done.includes(id), `${id} is lost`).toBe(true);
      for (const id of done) expect(got.has(id), `${id} is completed, and nobody had it`).toBe(true);
    }
    const client = await takeAll(child, device, (body) => got.add(body));
    await until("all taken", async () => (await waiting(child.hub)).length === 0);
    const done = new Set(await completed(child.hub));
    for (const id of sent) expect([id, done.has(id), got.has(id)]).toEqual([id, true, true]);
    client[Symbol.dispose]();
  } finally {
    await child[Symbol.asyncDispose]();
  }
});
