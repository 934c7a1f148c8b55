/** What an operator does to the store of a gateway that is stopped. Its locks are held meanwhile. */
import { rm } from "node:fs/promises";
import { checkStore, isStoreEmpty, type StoreVerdict } from "../../hub/index.ts";
import { readGatewayConfig } from "../folder/gateway-config.ts";
import { existingGateway, withStorage, type GatewayPaths } from "../folder/gateway-folder.ts";
import { lockGateway } from "../folder/gateway-lock.ts";
import { setAside, type SetAside } from "./set-aside.ts";
import { takeStorageFolder } from "../folder/storage-folder.ts";

/** @throws {GatewayError} SP_GATEWAY_RUNNING */
export const checkOfflineStore = (dir: string): Promise<StoreVerdict> =>
  whileStopped(dir, ({ store }) => checkStore(store));

/**
 * The gateway begins anew at its next start. Unless `forget`, devices and routes come back then.
 * @returns null when there is nothing to set aside
 * @throws {GatewayError} SP_GATEWAY_RUNNING
 */
export const setOfflineStoreAside = (dir: string, forget: boolean): Promise<SetAside | null> =>
  whileStopped(dir, async ({ store, identities }) => {
    if (forget) await rm(identities, { force: true });
    return isStoreEmpty(store) ? null : setAside(store, "by command", Date.now());
  });

async function whileStopped<T>(dir: string, work: (paths: GatewayPaths) => Promise<T>): Promise<T> {
  const home = existingGateway(dir);
  const paths = withStorage(home, (await readGatewayConfig(home.config)).storageFolder);
  const lock = await lockGateway(paths.run);
  try {
    const storage = await takeStorageFolder(paths);
    try {
      return await work(paths);
    } finally {
      await storage?.release();
    }
  } finally {
    await lock.release();
  }
}
