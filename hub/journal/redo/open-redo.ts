/**
 * Opening a store with its redo log, and taking the log away from one. The database's mark says which log belongs to
 * it; a log that it does not know, or one that it knows and that is gone, is never guessed about: acknowledged
 * groups may be in it.
 */
import { rmSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { SandpiperError } from "../../../abi/index.ts";
import { LmdbStore, type LogMark } from "../lmdb-store.ts";
import { emptyGroup, storeCorrupt, type Recovered, type Store } from "../store.ts";
import { LogFile } from "./log-file.ts";
import { BLOCK_BYTES } from "./record.ts";
import { holdsRecords } from "./recovery.ts";
import { RedoStore, type RedoOptions } from "./redo-store.ts";

/** A log takes at most this share of its disk, and of what is free when it is made. */
const DISK_SHARE = 1 / 8;
const FREE_SHARE = 1 / 2;
/** A smaller one would be full with every other group. */
const RING_BYTES_MIN = 256 * 1024;

export interface RedoConfig extends RedoOptions {
  readonly logBytes: number;
}

/** Of a store that is opened to be read, or to be taken in. */
const UNHURRIED: RedoOptions = { checkpointBytes: Infinity, checkpointMs: Infinity };

const logPath = (dir: string): string => join(dir, "redo.log");

/** Size of a log, or `null` when the disk has no room for one. Pure. */
export function ringBytesOn(
  disk: { readonly totalBytes: number; readonly freeBytes: number },
  askedBytes: number,
): number | null {
  const bytes = Math.min(askedBytes, disk.totalBytes * DISK_SHARE, disk.freeBytes * FREE_SHARE);
  const ring = Math.floor(bytes / BLOCK_BYTES) * BLOCK_BYTES;
  return ring < RING_BYTES_MIN ? null : ring;
}

/**
 * Opens the store in `dir`, behind a log if its disk has room for one. Another size than configured before is a
 * new log, once the old one's groups are in the database.
 * @throws SP_STORE_OPEN, SP_STORE_FORMAT, SP_STORE_CORRUPT
 */
export function openRedo(dir: string, config: RedoConfig): Promise<Store> {
  return opening(dir, async (lmdb) => {
    const store = await existing(lmdb, lmdb.load(), dir, config);
    if (store?.askedBytes === config.logBytes) return store;
    if (store !== null && !(await store.retire())) throw noRoom(dir);
    const log = await begin(lmdb, dir, config.logBytes);
    if (log === null) return lmdb;
    return new RedoStore(lmdb, lmdb.load(), log.file, log.mark, config);
  });
}

/** Opens the store in `dir` without a log. What one still holds is brought into the database first. */
export function openWithoutRedo(dir: string): Promise<LmdbStore> {
  return opening(dir, async (lmdb) => {
    const store = await existing(lmdb, lmdb.load(), dir, UNHURRIED);
    if (store !== null && !(await store.retire())) throw noRoom(dir);
    return lmdb;
  });
}

/** Opens the store in `dir` as it was left, behind its log if it has one, whatever is configured: to look at it. */
export function openAsLeft(dir: string): Promise<Store> {
  return opening(dir, async (lmdb) => (await existing(lmdb, lmdb.load(), dir, UNHURRIED)) ?? lmdb);
}

const noRoom = (dir: string): SandpiperError =>
  new SandpiperError("SP_STORE_OPEN", `store: "${dir}" has no room to take the redo log in`, {
    details: { dir },
    hint: "free some room on the disk, or leave store.backend and store.logBytes as they were",
  });

async function opening<T>(dir: string, open: (lmdb: LmdbStore) => Promise<T>): Promise<T> {
  const lmdb = new LmdbStore(dir);
  try {
    return await open(lmdb);
  } catch (cause) {
    await lmdb.close();
    if (cause instanceof SandpiperError) throw cause;
    throw new SandpiperError("SP_STORE_OPEN", `store: cannot open "${dir}": ${(cause as Error).message}`, {
      cause,
      details: { dir },
      hint: "check that the disk is whole and has room, and that the folder is writable",
    });
  }
}

async function existing(
  lmdb: LmdbStore,
  base: Recovered,
  dir: string,
  options: RedoOptions,
): Promise<RedoStore | null> {
  const found = logOf(lmdb.mark, logPath(dir));
  if (found === null) return null;
  try {
    const store = new RedoStore(lmdb, base, found.file, found.mark, options);
    await store.ready();
    return store;
  } catch (error) {
    found.file.close();
    throw error;
  }
}

/** The log that belongs to the database. @throws SP_STORE_CORRUPT */
function logOf(mark: LogMark | null, path: string): { file: LogFile; mark: LogMark } | null {
  if (mark?.epoch === 0) {
    rmSync(path, { force: true }); // all of it is in the database: it was being taken away
    return null;
  }
  const file = LogFile.open(path);
  if (mark !== null && file?.epoch === mark.epoch) return { file, mark };
  if (mark === null && file === null) return null;
  if (mark === null && file !== null && !holdsRecords(file)) {
    file.remove(); // it was being made
    return null;
  }
  file?.close();
  const what = file === null ? "is missing" : "belongs to another store";
  throw storeCorrupt(`"${path}" ${what}: acknowledged messages may be in it`, { path });
}

/** A new log, known to the database before anything is written to it. `null`: the disk has no room. */
async function begin(
  lmdb: LmdbStore,
  dir: string,
  askedBytes: number,
): Promise<{ file: LogFile; mark: LogMark } | null> {
  const path = logPath(dir);
  const { blocks, bavail, bsize } = statfsSync(dirname(path));
  const ringBytes = ringBytesOn({ totalBytes: blocks * bsize, freeBytes: bavail * bsize }, askedBytes);
  if (ringBytes === null) return null;
  const file = LogFile.create(path, askedBytes, ringBytes);
  const mark = { epoch: file.epoch, seq: 0, head: 0 };
  try {
    await lmdb.commit(emptyGroup(lmdb.load()), mark);
  } catch (error) {
    file.remove();
    throw error;
  }
  return { file, mark };
}
