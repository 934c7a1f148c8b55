/**
 * The disk under a folder: how long a flush takes as an event loop sees it, and where the kernel counts what
 * was written to it.
 */
import { existsSync, statfsSync, statSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { median } from "./statistics.ts";

const FLUSH_BYTES = 4096;
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
