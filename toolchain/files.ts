/** Files that a command line names: read with a bound, written whole or not at all. */
import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { FileError } from "./errors.ts";

/** No artifact is larger; a gateway refuses it at a quarter of this. */
export const ARTIFACT_BYTES_MAX = 64 * 1024 * 1024;

/** @throws {FileError} SP_FILE */
export async function readBytes(file: string, bytesMax: number): Promise<Buffer> {
  const bytes = await readBytesIfThere(file, bytesMax);
  if (bytes === null) throw notFound(file);
  return bytes;
}

export const notFound = (file: string): FileError => new FileError("SP_FILE", `file "${file}": not found`);

/** Null when there is no such file. @throws {FileError} SP_FILE */
export async function readBytesIfThere(file: string, bytesMax: number): Promise<Buffer | null> {
  try {
    await using handle = await open(file, "r");
    const { size } = await handle.stat();
    if (size > bytesMax)
      throw new FileError("SP_FILE", `file "${file}": ${size} bytes, more than ${bytesMax}`);
    return await handle.readFile();
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw fileError(file, cause);
  }
}

/** Replaces `file` in one step. @throws {FileError} SP_FILE */
export async function replaceFile(file: string, contents: string | Uint8Array): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    {
      await using handle = await open(temporary, "wx");
      await handle.writeFile(contents);
      await handle.sync();
    }
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw fileError(file, cause);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "its folder does not exist",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "a folder, not a file",
  ENOTDIR: "lies behind something that is not a folder",
  ENOSPC: "no space left on the disk",
  EROFS: "the file system is read-only",
};

export function fileError(file: string, cause: unknown): FileError {
  const { code = "", message } = cause as NodeJS.ErrnoException;
  const reason = Object.hasOwn(REASONS, code) ? REASONS[code]! : message;
  return new FileError("SP_FILE", `file "${file}": ${reason}`, { cause });
}
