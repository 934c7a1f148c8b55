/** A disk that runs full under the hub, and gets room again. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { KeyedIdentity, QueueStatus } from "../../../hub/face.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { RawClient } from "../../support/faults/raw-client.ts";
import { SmallDisk, smallDiskMissing } from "../../support/faults/small-disk.ts";
import { until, WindowPublisher } from "../../support/faults/window.ts";

const MB = 1024 * 1024;
const missing = smallDiskMissing();
if (missing !== null) console.warn(`skipped: ${missing}`);

const device: KeyedIdentity = { deviceId: "d", ...newKeys(), enabled: true };
const other: KeyedIdentity = { deviceId: "other", ...newKeys(), enabled: true };
const sink: KeyedIdentity = { deviceId: "gw", moduleId: "sink", ...newKeys(), enabled: true };
const bodyOf = (sequence: number): string => `${sequence}:${"x".repeat(4000)}`;
const sequenceOf = (body: string): number => Number(body.slice(0, body.indexOf(":")));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

async function setUp(child: HubChild, into: string): Promise<void> {
  for (const identity of [device, other, sink]) await child.hub.addIdentity(identity);
  const routes = { r: { route: `FROM /messages/* INTO ${into}` } };
  await child.hub.setRoutes({ routes, timeToLiveSecs: 7200 });
}

const stateOf = async (child: HubChild): Promise<string> => (await child.hub.status()).state;
const queueOf = async (child: HubChild): Promise<QueueStatus> =>
  (await child.hub.queues()).find(({ endpoint }) => endpoint === "sink/in")!;

async function logged(child: HubChild): Promise<number[]> {
  const found: number[] = [];
  for (let next = 0; ;) {
    const page = await child.hub.readEvents({ from: next, limit: 1000, waitMs: 0 });
    if (page.events.length === 0) return found;
    found.push(...page.events.map(({ body }) => sequenceOf(Buffer.from(body).toString())));
    next = page.next;
  }
}

describe.skipIf(missing !== null)("a disk that runs full", () => {
  test("stops producers and nobody else, loses nothing, and goes on by itself in the same order [J16 J18]", async () => {
    using disk = new SmallDisk(16);
    await using child = await HubChild.start({ storeDir: join(disk.dir, "store") });
    await setUp(child, "$upstream");
    disk.fill(5 * MB);
    const publisher = new WindowPublisher(device, 50, bodyOf);
    const ended = publisher.run(child.port);
    await until("full", async () => (await stateOf(child)) === "full");

    const ackedWhenFull = publisher.acked.length;
    using bystander = new RawClient(child.port, other);
    await bystander.connected;
    expect(await bystander.ping()).toBeLessThan(500);
    const stored = await logged(child);
    expect(publisher.acked).toEqual(upTo(ackedWhenFull));
    expect(stored.slice(0, ackedWhenFull), "acknowledged, and there").toEqual(publisher.acked);

    disk.clear();
    await until("acknowledgements go on", () => publisher.acked.length > ackedWhenFull + 200);
    await until("ok", async () => (await stateOf(child)) === "ok");
    publisher.stop();
    await until("all acknowledged", () => publisher.inFlight === 0);
    expect(publisher.faults).toEqual([]);
    expect(await logged(child), "the very same group, and none twice").toEqual(upTo(publisher.next));
    publisher.disconnect();
    await ended;
  });

  test("leaves consumers their room: they drain the backlog, and producers follow [J18 J19]", async () => {
    using disk = new SmallDisk(40);
    const storeDir = join(disk.dir, "store");
    await using first = await HubChild.start({ storeDir });
    await setUp(first, 'BrokeredEndpoint("/modules/sink/inputs/in")');
    disk.fill(10 * MB);
    const publisher = new WindowPublisher(device, 50, bodyOf);
    void publisher.run(first.port);
    await until("full", async () => (await stateOf(first)) === "full");
    await until(
      "the group that did not fit is in the reserve",
      async () => (await queueOf(first)).length >= publisher.acked.length,
    );
    const backlog = (await queueOf(first)).length;
    const ackedWhenFull = publisher.acked.length;

    // Whatever happens now: what was acknowledged is there, also for a hub that starts on a full disk.
    await first.kill();
    await using child = await HubChild.start({ storeDir });
    expect(await stateOf(child)).toBe("full");
    expect((await queueOf(child)).length).toBeGreaterThanOrEqual(ackedWhenFull);
    expect((await queueOf(child)).length).toBeLessThanOrEqual(backlog);
    void publisher.run(child.port);

    const delivered: number[] = [];
    using consumer = new RawClient(child.port, sink, {
      onPublish({ payload, messageId }) {
        delivered.push(sequenceOf(String(payload)));
        consumer.puback(messageId!);
      },
    });
    await consumer.connected;
    await consumer.subscribe("devices/gw/modules/sink/#");
    await until("the backlog is drained", async () => delivered.length >= ackedWhenFull);
    // The disk is as full as before; the room is inside the store now.
    await until("producers go on", () => publisher.acked.length > ackedWhenFull + 1000);
    expect(await stateOf(child)).toBe("full");
    disk.clear();
    await until("ok", async () => (await stateOf(child)) === "ok");
    publisher.stop();
    await until("all acknowledged", () => publisher.inFlight === 0);
    await until("all delivered", async () => (await queueOf(child)).length === 0);
    const firsts = [...new Set(delivered)];
    expect(firsts, "everything, in order of first deliveries").toEqual(upTo(publisher.next));
    expect(
      delivered.length - firsts.length,
      "twice at most what was in flight when it was killed",
    ).toBeLessThanOrEqual(50);
    expect(publisher.faults).toEqual([]);
  });
});
