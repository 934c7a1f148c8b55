/**
 * A text file of bounded size with a bounded number of older pieces: `path`, `path.1`, `path.2`. One call at a
 * time: the owner keeps the order.
 */
import { mkdir, open, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";

export interface RotatingFileSettings {
  /** Of one piece. A single larger write goes alone. */
  readonly fileBytesMax: number;
  /** The piece being written included. */
  readonly filesMax: number;
}

export interface RotatingFile {
  append(bytes: Uint8Array): Promise<void>;
  /** The last `count` lines over all pieces, oldest first. */
  readLast(count: number): Promise<string[]>;
  /** Closes the file; the next append opens it again. */
  release(): Promise<void>;
  remove(): Promise<void>;
}

export function createRotatingFile(path: string, settings: RotatingFileSettings): RotatingFile {
  const pieces = Array.from({ length: settings.filesMax }, (_, i) => (i === 0 ? path : `${path}.${i}`));
  let handle: FileHandle | null = null;
  let size = 0;

  async function release(): Promise<void> {
    const opened = handle;
    handle = null;
    await opened?.close();
  }

  async function rotate(): Promise<FileHandle> {
    await release();
    for (let i = pieces.length - 1; i > 0; i--) {
      await rename(pieces[i - 1]!, pieces[i]!).catch(nullIfAbsent);
    }
    size = 0;
    return open(path, "w", 0o600);
  }

  return {
    release,
    async append(bytes) {
      if (handle === null) {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        handle = await open(path, "a", 0o600);
        size = (await handle.stat()).size;
      }
      if (size > 0 && size + bytes.length > settings.fileBytesMax) handle = await rotate();
      await handle.appendFile(bytes);
      size += bytes.length;
    },
    async readLast(count) {
      let found: string[] = [];
      for (const piece of pieces) {
        if (found.length >= count) break;
        const text = await readFile(piece, "utf8").catch(nullIfAbsent);
        if (text) found = [...text.replace(/\n$/, "").split("\n"), ...found];
      }
      return count > 0 ? found.slice(-count) : [];
    },
    async remove() {
      await release();
      for (const piece of pieces) await rm(piece, { force: true });
    },
  };
}

function nullIfAbsent(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}
