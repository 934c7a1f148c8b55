/**
 * A Unix socket's path may have 107 bytes, and a longer one is cut off in silence by the layers below. This
 * gives a socket in any folder a path that is short enough, by naming the folder through a descriptor.
 */
import { closeSync, constants, openSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FolderError } from "../errors.ts";

/** `sun_path` less its final zero; macOS has 103. */
const SOCKET_PATH_BYTES_MAX = process.platform === "linux" ? 107 : 103;

export interface SocketPath {
  /** To listen at or connect to; good until `release`. */
  readonly path: string;
  readonly release: () => void;
}

/** @throws {FolderError} SP_FOLDER_PATH_LONG, where descriptors have no path (only Linux has /proc) */
export function socketPath(file: string): SocketPath {
  if (Buffer.byteLength(file) <= SOCKET_PATH_BYTES_MAX) return { path: file, release: () => {} };
  if (process.platform !== "linux") {
    throw new FolderError(
      "SP_FOLDER_PATH_LONG",
      `socket "${file}": longer than ${SOCKET_PATH_BYTES_MAX} bytes`,
      { hint: "choose a folder with a shorter path, with --dir", details: { file } },
    );
  }
  const descriptor = openSync(dirname(file), constants.O_RDONLY | constants.O_DIRECTORY);
  let open = true;
  return {
    path: join("/proc/self/fd", String(descriptor), basename(file)),
    // Once: a second close would hit whatever has the number by then.
    release: () => {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}
