/** A disk that breaks under the hub: fail-stop, and recovery from what is on it (J17). */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KeyedIdentity, StoreConfig } from "../../../hub/face.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { FaultyDisk, faultyDiskMissing, type Flush } from "../../support/faults/faulty-disk.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { RawClient } from "../../support/faults/raw-client.ts";

const missing = faultyDiskMissing();
if (missing !== null) console.warn(`skipped: ${missing}`);

const device: KeyedIdentity = { deviceId: "d", ...newKeys(), enabled: true };
const TOPIC = "devices/d/messages/events/";

async function bodies(child: HubChild): Promise<string[]> {
  const found: string[] = [];
  for (let next = 0; ;) {
    const page = await child.hub.readEvents({ from: next, limit: 1000, waitMs: 0 });
    if (page.events.length === 0) return found;
    found.push(...page.events.map(({ body }) => Buffer.from(body).toString()));
    next = page.next;
  }
}

describe.skipIf(missing !== null)("a disk that breaks", () => {
  const folders: string[] = [];
  const disks = new Map<string, FaultyDisk>();
  beforeAll(() => {
    for (const file of ["redo.log", "journal.mdb"]) disks.set(file, new FaultyDisk(file));
  });
  afterAll(() => {
    for (const disk of disks.values()) disk[Symbol.dispose]();
    for (const dir of folders) rmSync(dir, { recursive: true, force: true });
  });

  function newFolder(): string {
    const dir = mkdtempSync(join(tmpdir(), "sandpiper-eio-"));
    folders.push(dir);
    return dir;
  }

  /** Publishes until the connection ends; returns what was acknowledged. `begin`: when it is connected. */
  async function publishUntilClosed(
    child: HubChild,
    from: number,
    begin: () => void,
  ): Promise<{ acked: string[]; next: number }> {
    const acked: string[] = [];
    const inFlight = new Map<number, string>();
    let next = from;
    const client = new RawClient(child.port, device, {
      onPuback(packetId) {
        acked.push(inFlight.get(packetId)!);
        inFlight.delete(packetId);
        fill();
      },
    });
    const fill = (): void => {
      while (inFlight.size < 20) {
        const packetId = (next % 65_535) + 1;
        inFlight.set(packetId, `m${next++}`);
        client.publish(TOPIC, inFlight.get(packetId)!, packetId);
      }
    };
    await client.connected;
    begin();
    fill();
    await client.closed;
    return { acked, next };
  }

  const often: Partial<StoreConfig> = { backend: "redo", checkpointMs: 20 };
  const lmdb: Partial<StoreConfig> = { backend: "lmdb" };
  const cases: { what: string; file: string; kind: Flush; nth: number; store: Partial<StoreConfig> }[] = [
    { what: "a log's write", file: "redo.log", kind: "meta", nth: 1, store: often },
    { what: "a log's write", file: "redo.log", kind: "meta", nth: 7, store: often },
    { what: "a checkpoint's pages", file: "journal.mdb", kind: "data", nth: 1, store: often },
    { what: "a checkpoint's pages", file: "journal.mdb", kind: "data", nth: 4, store: often },
    { what: "a checkpoint's last page", file: "journal.mdb", kind: "meta", nth: 2, store: often },
    { what: "a commit without log", file: "journal.mdb", kind: "data", nth: 7, store: lmdb },
    { what: "a commit without log", file: "journal.mdb", kind: "meta", nth: 4, store: lmdb },
  ];
  test.for(cases)(
    "EIO at $what, number $nth, ends the hub thread unacknowledged; what was acknowledged is there, once [J15 J17 J8]",
    async ({ file, kind, nth, store }) => {
      const dir = newFolder();
      const disk = disks.get(file)!;
      const startOn = (): Promise<HubChild> => HubChild.start({ storeDir: dir, env: disk.env, store });
      await using child = await startOn();
      await child.hub.setRoutes({
        routes: { all: { route: "FROM /messages/* INTO $upstream" } },
        timeToLiveSecs: 7200,
      });
      await child.hub.addIdentity(device);

      const first = await publishUntilClosed(child, 0, () => disk.failIn(kind, nth));
      await child.failed();
      expect(child.failures).toHaveLength(1);
      expect(child.failures[0]).toMatch(/^hub thread: ended: /);

      // As the agent does: a new thread in the process that still has the broken store's pages mapped.
      await child.startAgain();
      const found = await bodies(child);
      expect(first.acked.filter((body) => !found.includes(body))).toEqual([]);
      expect(new Set(found).size, "none twice").toBe(found.length);

      // And it is a working hub, which survives the next failure as well.
      const second = await publishUntilClosed(child, first.next, () => disk.failIn(kind, nth + 3));
      expect(second.acked.length).toBeGreaterThan(0);
      await child.kill();
      await using another = await startOn();
      const all = await bodies(another);
      expect([...first.acked, ...second.acked].filter((body) => !all.includes(body))).toEqual([]);
      expect(new Set(all).size, "none twice").toBe(all.length);
    },
  );

  test.for([
    { what: "the very first flush", file: "journal.mdb" },
    { what: "making the log", file: "redo.log" },
  ])("EIO at $what keeps a hub from starting, and it says so [J17]", async ({ file }) => {
    const disk = disks.get(file)!;
    const storeDir = newFolder();
    disk.failIn("data", 1);
    await expect(HubChild.start({ storeDir, env: disk.env })).rejects.toThrow(
      /^store: cannot open ".*": (?:EIO: i\/o error|Input\/output error)/,
    );
    await using child = await HubChild.start({ storeDir, env: disk.env });
    expect((await child.hub.status()).state).toBe("ok");
  });
});
