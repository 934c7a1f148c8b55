/** The folder that a gateway's store lies in, when it is not the gateway's own: made, tried, and locked. */
import { access, constants, mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FolderError, GatewayError } from "../errors.ts";
import type { GatewayPaths } from "./gateway-folder.ts";
import { lockGateway, type GatewayLock } from "./gateway-lock.ts";

/** Null when the store lies in the gateway's own folder, which has a lock. @throws SP_STORAGE_FOLDER, SP_STORAGE_FOLDER_USED */
export async function takeStorageFolder(paths: GatewayPaths): Promise<GatewayLock | null> {
  const folder = dirname(paths.store);
  if (folder === paths.dir) return null;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (!(await stat(folder)).isDirectory()) throw new Error("is not a folder");
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return await lockGateway(join(folder, "lock"));
  } catch (cause) {
    if (cause instanceof GatewayError) throw usedByAnother(folder);
    throw new FolderError("SP_STORAGE_FOLDER", `storageFolder "${folder}": ${(cause as Error).message}`, {
      cause,
      details: { folder },
      hint: "name a folder in gateway.json that the gateway's user may write to, and whose disk is there",
    });
  }
}

const usedByAnother = (folder: string): FolderError =>
  new FolderError("SP_STORAGE_FOLDER_USED", `storageFolder "${folder}": another gateway uses it`, {
    details: { folder },
    hint: "give each gateway a storageFolder of its own",
  });
