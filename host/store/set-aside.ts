/**
 * Stores that were set aside: whole, beside where they were, with a note of why. Nothing in them is changed, so
 * that whoever wants to know or to rescue something can look.
 */
import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeDurable } from "../artifacts/durable-file.ts";

/** Of these, the oldest goes when there is one more: each may be as large as a store. */
export const SET_ASIDE_MAX = 3;
const NOTE = "set-aside.json";
const MARK = ".corrupt-";

export interface SetAside {
  readonly path: string;
  readonly at: string;
  readonly reason: string;
  readonly bytes: number;
}

/** Moves the store's folder away. A crash leaves it where it was, or moved and without its note. */
export async function setAside(storeDir: string, reason: string, nowMs: number): Promise<SetAside> {
  const at = new Date(nowMs).toISOString();
  const path = await freePath(`${storeDir}${MARK}${at.replaceAll(/[-:]|\.\d+/g, "")}`);
  await rename(storeDir, path);
  await flush(dirname(storeDir));
  const found: SetAside = { path, at, reason, bytes: await bytesIn(path) };
  await writeDurable(join(path, NOTE), JSON.stringify({ at, reason, bytes: found.bytes }));
  for (const { path: old } of (await listSetAside(storeDir)).slice(SET_ASIDE_MAX)) {
    await rm(old, { recursive: true, force: true });
  }
  return found;
}

/** The latest first. */
export async function listSetAside(storeDir: string): Promise<readonly SetAside[]> {
  const folder = dirname(storeDir);
  const names = await readdir(folder).catch(() => [] as string[]);
  const own = names.filter((name) => name.startsWith(`${basename(storeDir)}${MARK}`)).toSorted();
  return Promise.all(own.toReversed().map((name) => describe(join(folder, name))));
}

async function describe(path: string): Promise<SetAside> {
  const text = await readFile(join(path, NOTE), "utf8").catch(() => "{}");
  let note: Partial<SetAside> = {};
  try {
    note = JSON.parse(text) as Partial<SetAside>;
  } catch {
    // Cut off: what it would have said is not known.
  }
  const { at = "", reason = "not noted" } = note;
  return { path, at, reason, bytes: note.bytes ?? (await bytesIn(path)) };
}

async function freePath(wanted: string): Promise<string> {
  for (let n = 1; ; n++) {
    const path = n === 1 ? wanted : `${wanted}-${n}`;
    const isTaken = await stat(path).then(
      () => true,
      () => false,
    );
    if (!isTaken) return path;
  }
}

async function bytesIn(dir: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(dir).catch(() => [] as string[])) {
    bytes += (await stat(join(dir, name)).catch(() => null))?.size ?? 0;
  }
  return bytes;
}

async function flush(dir: string): Promise<void> {
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
