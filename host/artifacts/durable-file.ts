/**
 * Files that are whole or absent, whatever happens to the power: written beside their place, flushed, renamed
 * into it, and the folder flushed. Private to their owner.
 */
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Marks a file that was never finished; whoever owns the folder may delete what bears it. */
export const UNFINISHED_SUFFIX = ".tmp";

let unfinished = 0;

/** Makes the folder when it is not there. Throws the file system's error, with nothing left behind. */
export async function writeDurable(path: string, content: Uint8Array | string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}-${++unfinished}${UNFINISHED_SUFFIX}`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await flushFolder(folder);
}

/** A rename is durable only when its folder is. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
