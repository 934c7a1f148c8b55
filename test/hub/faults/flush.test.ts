/** What "durable" means, by a disk whose every flush is slow. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FaultyDisk, faultyDiskMissing, type Flush } from "../../support/faults/faulty-disk.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { RawClient } from "../../support/faults/raw-client.ts";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { GATHERED_BYTES_MAX } from "../../../hub/journal/journal.ts";
import { newKeys } from "../../../hub/identity/keys.ts";

const FLUSH_MS = 200;
const missing = faultyDiskMissing();
if (missing !== null) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== null)("a disk that takes its time", () => {
  const folders: string[] = [];
  const disks = new Map<string, FaultyDisk>();
  const children = new Map<string, HubChild>();
  const device = { deviceId: "d", ...newKeys(), enabled: true };
  beforeAll(async () => {
    for (const [backend, file] of [
      ["redo", "redo.log"],
      ["lmdb", "journal.mdb"],
    ] as const) {
      const storeDir = mkdtempSync(join(tmpdir(), "sandpiper-flush-"));
      folders.push(storeDir);
      const disk = new FaultyDisk(file);
      disks.set(backend, disk);
      const child = await HubChild.start({ storeDir, env: disk.env, store: { backend } });
      children.set(backend, child);
      await child.hub.setRoutes({
        routes: { all: { route: "FROM /messages/* INTO $upstream" } },
        timeToLiveSecs: 7200,
      });
      await child.hub.addIdentity(device);
    }
  });
  afterAll(async () => {
    for (const child of children.values()) await child.kill();
    for (const disk of disks.values()) disk[Symbol.dispose]();
    for (const dir of folders) rmSync(dir, { recursive: true, force: true });
  });

  test.for<{ what: string; backend: string; kind: Flush }>([
    { what: "the log's write", backend: "redo", kind: "meta" },
    { what: "LMDB's flush of pages", backend: "lmdb", kind: "data" },
    { what: "LMDB's last page", backend: "lmdb", kind: "meta" },
  ])("a PUBACK never comes before $what with its group [J1 J7]", async ({ backend, kind }) => {
    const [disk, child] = [disks.get(backend)!, children.get(backend)!];
    disk.delay(kind, FLUSH_MS);
    const sent = new Map<number, { at: number; begun: number }>();
    const early: string[] = [];
    let last!: () => void;
    const all = new Promise<void>((resolve) => (last = resolve));
    using client = new RawClient(child.port, device, {
      onPuback(packetId) {
        const { at, begun } = sent.get(packetId)!;
        const tookMs = performance.now() - at;
        // Only a flush that began after the message was sent can have covered it.
        const covering = disk.counts(kind).done - begun;
        if (tookMs < FLUSH_MS || covering < 1) early.push(`${packetId}: ${tookMs} ms, ${covering} flushes`);
        if (packetId === 12) last();
      },
    });
    await client.connected;
    for (let packetId = 1; packetId <= 12; packetId++) {
      sent.set(packetId, { at: performance.now(), begun: disk.counts(kind).begun });
      client.publish("devices/d/messages/events/", `m${packetId}`, packetId);
      // At every phase of a flush: some of these find one under way that does not hold them.
      await new Promise((resolve) => setTimeout(resolve, FLUSH_MS / 4));
    }
    await all;
    disk.delay(kind, 0);
    expect(early).toEqual([]);
  });

  test("under load on a slow disk memory stays flat, and other connections are served [J5 J6]", async () => {
    const flushMs = 500;
    const [disk, child] = [disks.get("redo")!, children.get("redo")!];
    const idle = { deviceId: "idle", ...newKeys(), enabled: true };
    const producers = [1, 2, 3, 4].map((n) => ({ deviceId: `load${n}`, ...newKeys(), enabled: true }));
    for (const identity of [idle, ...producers]) await child.hub.addIdentity(identity);
    const before = child.residentBytes();
    disk.delay("meta", flushMs);
    using bystander = new RawClient(child.port, idle);
    await bystander.connected;
    const body = Buffer.alloc(1024, "x");
    const floods = producers.map((identity) => new Flood(child.port, identity, body));
    let slowestPingMs = 0;
    let most = 0;
    for (const until = performance.now() + 3_500; performance.now() < until;) {
      for (const flood of floods) flood.pump();
      slowestPingMs = Math.max(slowestPingMs, await bystander.ping());
      most = Math.max(most, child.residentBytes());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const { counters } = await child.hub.status();
    for (const flood of floods) flood[Symbol.dispose]();
    disk.delay("meta", 0);

    const sent = floods.reduce((sum, flood) => sum + flood.sent, 0);
    expect(sent * body.length, "more was offered than is ever gathered").toBeGreaterThan(
      4 * GATHERED_BYTES_MAX,
    );
    expect(counters["received"], "the rest was left in the network").toBeLessThan(sent);
    expect(most - before, "two groups, and what is pooled").toBeLessThan(48 * 1024 * 1024);
    expect(slowestPingMs, "answered within a flush").toBeLessThan(flushMs / 2);
    for (const flood of floods) expect(flood.acked).toBeGreaterThan(0);
  }, 20_000);
});

/** Sends whatever the network takes, and never waits for an acknowledgement. */
class Flood implements Disposable {
  readonly #client: RawClient;
  readonly #topic: string;
  readonly #body: Buffer;
  sent = 0;
  acked = 0;

  constructor(port: number, identity: KeyedIdentity, body: Buffer) {
    this.#client = new RawClient(port, identity, { onPuback: () => this.acked++ });
    this.#topic = `devices/${identity.deviceId}/messages/events/`;
    this.#body = body;
  }

  pump(): void {
    while (this.#client.unsentBytes < 512 * 1024) {
      this.#client.publish(this.#topic, this.#body, (this.sent++ % 65_535) + 1);
    }
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}
