/** What an empty store begins with, when another one was lost. */
import { expect, test } from "vitest";
import type { HubRestore } from "../../../hub/face.ts";
import { LocalHub } from "../../../hub/hub.ts";
import { keysOf, STORE_DEFAULTS } from "../../../hub/index.ts";
import { restore } from "../../../hub/store/restore.ts";
import { tempDir } from "../../support/temp-dir.ts";

const device = (deviceId: string, key: string) => ({
  deviceId,
  primaryKey: key,
  secondaryKey: key,
  enabled: true,
});
const KEPT: HubRestore = {
  identities: [device("d1", "kept"), device("d2", "kept")],
  routes: { routes: { all: { route: "FROM /messages/* INTO $upstream" } }, timeToLiveSecs: 7200 },
};

async function started(storeDir: string, kept?: HubRestore): Promise<LocalHub> {
  const hub = new LocalHub((error) => {
    throw error;
  });
  const config = { gatewayId: "gw", storeDir, listeners: [], store: STORE_DEFAULTS };
  await hub.start(kept ? { ...config, restore: kept } : config);
  return hub;
}

test("identities and routes are there when the hub is, durable, and never over what the store has", async () => {
  const dir = await tempDir();
  const first = await started(dir);
  await first.addIdentity(device("d1", "newer"));
  await first.close();

  const second = await started(dir, KEPT);
  expect((await second.identities()).map((identity) => [identity.deviceId, keysOf(identity)[0]])).toEqual([
    ["d1", "newer"],
    ["d2", "kept"],
  ]);
  await second.close();

  const third = await started(dir);
  expect(await third.identities()).toHaveLength(2);
  await third.close();
});

test.for([false, true])(
  "routes that were kept are set before anybody is known; a table is there: %s",
  async (isSet) => {
    const calls: string[] = [];
    const routes = { isSet, set: async () => void calls.push("routes") };
    const identities = { find: () => undefined, add: async () => void calls.push("identity") };
    await restore(KEPT, routes, identities);
    expect(calls).toEqual([...(isSet ? [] : ["routes"]), "identity", "identity"]);
  },
);
