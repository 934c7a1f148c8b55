/**
 * Where a module's socket lies: in a folder of its own. A container mounts the folder, which stays when the gateway
 * restarts; a mounted socket would be the one of a gateway that is gone. A module that is made anew gets another, so
 * that who was let into the old one is not let into this.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Identity } from "../../hub/index.ts";

export type Generation = Pick<Identity, "moduleId" | "generationId">;

const SOCKET = "workload.sock";
/** Of a file name, with room to spare. */
const NAME_BYTES_MAX = 200;

/**
 * A module and its generation as the name of a folder. What a path, a URI, a shell or a mount could take for something
 * else is written as `~` and its code in hex, so that names that differ stay different.
 */
export function folderName({ moduleId = "", generationId }: Generation): string {
  const name = `${escape(moduleId)}+${escape(generationId)}`;
  return name.length <= NAME_BYTES_MAX ? name : createHash("sha256").update(name).digest("hex");
}

const escape = (text: string): string =>
  text.replaceAll(/^\.|[^A-Za-z0-9_.-]/g, (character) => `~${character.charCodeAt(0).toString(16)}~`);

export interface ModuleFolder {
  readonly folder: string;
  readonly socket: string;
}

/** `root`: the folder of all of them. */
export function moduleFolder(root: string, generation: Generation): ModuleFolder {
  const folder = join(root, folderName(generation));
  return { folder, socket: join(folder, SOCKET) };
}
