/**
 * Compaction: a copy of the database without its free pages takes its place. At every instant the name
 * `journal.mdb` leads to a whole database that holds all that was committed: the copy is flushed before it gets
 * the name, and nothing is committed between the copy and the flush of the folder.
 *
 * The copy is opened under its own name first, and given the other one while it is open. Reads, which cannot
 * wait, thus always find a database; and each environment has a lock file of its own, since two that shared
 * one would clear each other's readers away.
 */
import { closeSync, fsyncSync, openSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { SandpiperError } from "../../abi/index.ts";

const MIB = 1024 * 1024;
/** Left free beside the copy, so that a compaction does not fill the disk. */
const ROOM_SPARE_BYTES = 8 * MIB;

/** When a hub compacts by itself. */
export const COMPACTION_BOUNDS = {
  /** A smaller file is no burden. */
  fileBytesMin: 64 * MIB,
  /** Of the file, that nothing uses. */
  freeShareMin: 0.75,
  /** What has to be copied, where commits wait for it. */
  heldBytesMax: 16 * MIB,
} as const;

export interface StoreSpace {
  readonly fileBytes: number;
  /** Of the file, what holds something: as much as a compaction copies. */
  readonly usedBytes: number;
  /** Commits wait while the store is compacted. */
  readonly holdsCommits: boolean;
}

/**
 * Whether a hub should compact now. Where commits wait for it, only a store at rest is, and one whose copy is
 * small, so that a device that comes just then waits no longer than for a slow flush.
 */
export function isWorthCompacting(space: StoreSpace, isQuiet: boolean): boolean {
  const { fileBytesMin, freeShareMin, heldBytesMax } = COMPACTION_BOUNDS;
  const { fileBytes, usedBytes, holdsCommits } = space;
  if (fileBytes < fileBytesMin || 1 - usedBytes / fileBytes < freeShareMin) return false;
  return !holdsCommits || (isQuiet && usedBytes <= heldBytesMax);
}

const COPY_NAME = /^compact-\d+\.mdb(?:-lock)?$/;
export const copyName = (n: number): string => `compact-${n}.mdb`;

/** What a process that ended in the middle has left. Nothing may have the store open. */
export function removeCopies(dir: string): void {
  for (const name of readdirSync(dir)) if (COPY_NAME.test(name)) rmSync(join(dir, name), { force: true });
}

export function refuseWithoutRoom(dir: string, neededBytes: number): void {
  const { bavail, bsize } = statfsSync(dir);
  const freeBytes = bavail * bsize;
  const wantedBytes = neededBytes + ROOM_SPARE_BYTES;
  if (freeBytes >= wantedBytes) return;
  throw new SandpiperError(
    "SP_COMPACT_NO_ROOM",
    `store: compacting needs ${wantedBytes} bytes beside it, the disk has ${freeBytes}`,
    {
      details: { dir, neededBytes: wantedBytes, freeBytes },
      hint: "free some space on the disk of the store, or let consumers drain more of it first",
    },
  );
}

export interface Swap<Database> {
  readonly dir: string;
  /** The file that everybody knows. */
  readonly path: string;
  /** Name of the copy, in the same folder. */
  readonly copy: string;
  readonly writeCopy: (path: string) => Promise<void>;
  readonly openCopy: (path: string) => Database;
  /** The copy has the name now. From here on there is no way back: what fails is for recovery from disk. */
  readonly onSwapped: (database: Database) => void;
}

/** @throws SP_COMPACT_FAILED when nothing has changed; what the file system says when it cannot be known */
export async function swapInCopy<Database>(swap: Swap<Database>): Promise<void> {
  const copy = join(swap.dir, swap.copy);
  let database: Database;
  try {
    await swap.writeCopy(copy);
    await flushFile(copy);
    database = swap.openCopy(copy);
    await rename(copy, swap.path);
  } catch (cause) {
    await rm(copy, { force: true });
    throw new SandpiperError("SP_COMPACT_FAILED", `store: not compacted: ${(cause as Error).message}`, {
      cause,
      details: { dir: swap.dir },
      hint: "the store is as it was; look at its disk, then run: sandpiper store check",
    });
  }
  swap.onSwapped(database);
  flushFolder(swap.dir);
}

async function flushFile(path: string): Promise<void> {
  const file = await open(path, "r+", 0o600);
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
}

function flushFolder(dir: string): void {
  const folder = openSync(dir, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export const fileBytesOf = (path: string): number => statSync(path).size;
