/** `kill -9` while twins are patched: what was answered is there, and was announced exactly once. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterAll, expect, test } from "vitest";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { HubChild } from "../../support/faults/hub-child.ts";
import { credentials } from "../../support/hub.ts";
import { seeded } from "../../support/seed.ts";

const dir = mkdtempSync(join(tmpdir(), "sandpiper-twins-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ROUNDS = 5;
const WINDOW = 20;
const LOAD_MS_MAX = 250;
const ANSWER = /^\$iothub\/twin\/res\/204\/\?\$rid=(\d+)&\$version=(\d+)$/;

/** Patches `n` upwards from `next`, a window at a time, until the hub is gone. Returns what was answered. */
async function patchUntilGone(
  port: number,
  identity: KeyedIdentity,
  next: () => number,
): Promise<{ n: number; version: number }[]> {
  const answered: { n: number; version: number }[] = [];
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { ...credentials(identity), clean: false });
  const patch = (): void => {
    const n = next();
    client.publish(`$iothub/twin/PATCH/properties/reported/?$rid=${n}`, `{"n":${n}}`);
  };
  client.on("error", () => undefined);
  client.once("connect", () => {
    client.subscribe("$iothub/twin/res/#");
    for (let i = 0; i < WINDOW; i++) patch();
  });
  client.on("message", (topic) => {
    const [, n, version] = ANSWER.exec(topic) ?? [];
    if (n === undefined) throw new Error(`answered with ${topic}`);
    answered.push({ n: Number(n), version: Number(version) });
    patch();
  });
  await new Promise<void>((resolve) => client.once("close", () => resolve()));
  client.end(true);
  return answered;
}

test("a hub killed while a twin is patched keeps each patch it answered, with its notification [J1 J8 J9]", async () => {
  const { random } = seeded("twin kill rounds");
  const identity: KeyedIdentity = { deviceId: "d", ...newKeys(), enabled: true };
  let n = 0;
  let total = 0;
  let last: { n: number; version: number } | undefined;
  for (let round = 0; round <= ROUNDS; round++) {
    await using child = await HubChild.start({ storeDir: dir });
    if (round === 0) {
      await child.hub.addIdentity(identity);
      const routes = { changes: { route: "FROM /twinChangeNotifications INTO $upstream" } };
      await child.hub.setRoutes({ routes, timeToLiveSecs: 7200 });
    }
    if (last !== undefined) {
      const reported = (await child.hub.twin("d", null)).properties.reported as Reported;
      expect(reported.n, `round ${round}`).toBeGreaterThanOrEqual(last.n);
      expect(reported.$version, `round ${round}`).toBeGreaterThanOrEqual(last.version);
    }
    if (round === ROUNDS) {
      await judge(child, total);
      break;
    }
    const running = patchUntilGone(child.port, identity, () => ++n);
    await new Promise((resolve) => setTimeout(resolve, 50 + random() * LOAD_MS_MAX));
    await child.kill();
    const answered = await running;
    total += answered.length;
    last = answered.at(-1) ?? last;
  }
  expect(total).toBeGreaterThan(ROUNDS);
}, 60_000);

interface Reported {
  readonly n: number;
  readonly $version: number;
}

/** Versions count patches, and each has one notification, whatever was lost in between. */
async function judge({ hub }: HubChild, answered: number): Promise<void> {
  const { $version } = (await hub.twin("d", null)).properties.reported as Reported;
  expect($version - 1).toBeGreaterThanOrEqual(answered);
  const bodies: number[] = [];
  for (let from = 0; ;) {
    const { events, next } = await hub.readEvents({ from, limit: 1000, waitMs: 0 });
    if (events.length === 0) break;
    bodies.push(...events.map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as { n: number }).n));
    from = next;
  }
  expect(bodies).toHaveLength($version - 1);
  expect(bodies).toEqual(bodies.toSorted((a, b) => a - b));
}
