/**
 * The disk under a folder: how long a flush takes as an event loop sees it, and where the kernel counts what
 * was written to it.
 */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { BenchError } from "./bench-error.ts";
import { median } from "./statistics.ts";

const FLUSH_BYTES = 4096;
/** Of the kernel's block statistics, whatever the device's own are. */
const SECTOR_BYTES = 512;
/** Of a file's allocation, as stat(2) counts it. */
const BLOCK_BYTES = 512;
/** Index of "sectors written" in a block device's `stat`. */
const SECTORS_WRITTEN = 6;
const TMPFS_MAGIC = 0x01021994;

/**
 * Median time of appending 4 KB and waiting for fdatasync, in µs. Through libuv's pool, like the journal's own
 * flushes: two thread wake-ups are part of what a message waits for.
 */
export async function flushMicros(folder: string, samples: number): Promise<number> {
  const path = join(folder, "flush.tmp");
  const block = Buffer.alloc(FLUSH_BYTES, 0x5a);
  const micros: number[] = [];
  const file = await open(path, "w", 0o600);
  try {
    for (let i = 0; i < samples; i++) {
      const begin = process.hrtime.bigint();
      await file.write(block);
      await file.datasync();
      micros.push(Number(process.hrtime.bigint() - begin) / 1000);
    }
  } finally {
    await file.close();
    await rm(path);
  }
  return median(micros);
}

/** The statistics file of the block device a folder lies on; null where there is none (overlay, network). */
export function diskStatistics(folder: string): string | null {
  const device = statSync(folder).dev;
  // The bits of Linux' dev_t, as glibc's major() and minor() take them apart.
  const major = ((device >>> 8) & 0xfff) | (Math.floor(device / 2 ** 32) & ~0xfff);
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  const path = `/sys/dev/block/${major}:${minor}/stat`;
  return existsSync(path) ? path : null;
}

/** A store in memory has nothing to flush: figures taken there say nothing about durability. */
export const isMemoryDisk = (folder: string): boolean => statfsSync(folder).type === TMPFS_MAGIC;

/**
 * Bytes written so far to the block device under a folder, by anybody, with nothing waiting in the kernel's cache.
 * @throws {BenchError} SP_BENCH_DISK
 */
export async function writtenBytes(folder: string): Promise<number> {
  const path = diskStatistics(folder);
  if (path === null) {
    throw new BenchError("SP_BENCH_DISK", `"${folder}" is on no block device whose writes are counted`, {
      hint: "name a folder on a local disk with --folder",
    });
  }
  await promisify(execFile)("sync", ["-f", folder]);
  const fields = readFileSync(path, "utf8").trim().split(/\s+/);
  return Number(fields[SECTORS_WRITTEN]) * SECTOR_BYTES;
}

/** What the files of a folder take on the disk. */
export function allocatedBytes(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).blocks * BLOCK_BYTES)
    .reduce((sum, bytes) => sum + bytes, 0);
}
