/** Reading files that somebody else made: regular files only, and never more of them than is allowed. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";

export type BoundedRead =
  | { readonly kind: "file"; readonly bytes: Buffer }
  | { readonly kind: "absent" }
  | { readonly kind: "not-a-file" }
  | { readonly kind: "too-large"; readonly size: number };

/** @throws the file system's error for anything but absence */
export async function readBounded(path: string, bytesMax: number): Promise<BoundedRead> {
  let file;
  try {
    // Not waiting for a pipe's other end, nor for a device.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "absent" };
    throw error;
  }
  try {
    const { size } = await file.stat().then((stat) => (stat.isFile() ? stat : { size: -1 }));
    if (size < 0) return { kind: "not-a-file" };
    if (size > bytesMax) return { kind: "too-large", size };
    // One byte more than it had: a file that grows meanwhile is noticed, and not read to its end.
    const buffer = Buffer.allocUnsafe(size + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (bytesRead === 0) return { kind: "file", bytes: buffer.subarray(0, length) };
      if (length > size) return { kind: "too-large", size: length };
    }
  } finally {
    await file.close();
  }
}
