/**
 * Whether a file may be given to LMDB. It trusts what it maps: a file that begins with something else than its
 * two meta pages ends the process with SIGSEGV, so that nobody is left to say why.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";

/** `MDB_MAGIC`, little endian, as every platform that we run on writes it. */
const MAGIC = Buffer.from([0xde, 0xc0, 0xef, 0xbe]);
/** Header of a page: how far the magic may be from its begin, on 32 and 64 bits. */
const HEADER_BYTES_MAX = 32;
/** Of the machine that made the file. */
const PAGE_BYTES = [4, 8, 16, 32, 64].map((kb) => kb * 1024);

/** What is wrong with it, or null. A file that is not there, or is empty, is a store to be begun. */
export function lmdbFileFault(path: string): string | null {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return null;
  const head = readHead(path);
  if (!isMeta(head, 0)) return "does not begin as a store does";
  if (!PAGE_BYTES.some((at) => isMeta(head, at))) return "is cut off, or its second page is damaged";
  return null;
}

function readHead(path: string): Buffer {
  const head = Buffer.alloc(Math.max(...PAGE_BYTES) + HEADER_BYTES_MAX);
  const descriptor = openSync(path, "r");
  try {
    return head.subarray(0, readSync(descriptor, head, 0, head.length, 0));
  } finally {
    closeSync(descriptor);
  }
}

const isMeta = (head: Buffer, at: number): boolean =>
  head.subarray(at, at + HEADER_BYTES_MAX).includes(MAGIC);
