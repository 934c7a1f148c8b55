/**
 * Whether a file may be given to LMDB. It trusts what it maps: a file that is no store, of another version of
 * LMDB, or cut off ends the process with SIGSEGV or SIGBUS, so that nobody is left to say why.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";

/** `MDB_MAGIC`, little endian, as every platform that we run on writes it. */
const MAGIC = Buffer.from([0xde, 0xc0, 0xef, 0xbe]);
/** Of the library's own layout: it ends the process when it meets another. */
const LMDB_VERSION = 2;
/** Header of a page: how far the magic may be from its begin, on 32 and 64 bits. */
const HEADER_BYTES_MAX = 32;
/** Of a meta page, header included: what is read of one. */
const META_BYTES = 256;
/** Of the machine that made the file. */
const PAGE_BYTES = [4, 8, 16, 32, 64].map((kb) => kb * 1024);
/** Where things are behind the magic, on 64 bits: page size, roots of the two trees, last page, transaction. */
const FROM_MAGIC = {
  version: 4,
  pageBytes: 24,
  freeRoot: 64,
  root: 112,
  lastPage: 120,
  transaction: 128,
} as const;
/** A tree that is empty has this root. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** What is wrong with it, or null. A file that is not there, or is empty, is a store to be begun. */
export function lmdbFileFault(path: string): string | null {
  const size = sizeOf(path);
  if (size === 0) return null;
  const head = readHead(path);
  const first = metaAt(head, 0);
  if (first === null) return "does not begin as a store does";
  const second = PAGE_BYTES.map((at) => metaAt(head, at)).find((meta) => meta !== null);
  if (second === undefined) return "is cut off, or its second page is damaged";
  const [a, b] = [first, second].map(versionOf);
  if (a !== LMDB_VERSION || b !== LMDB_VERSION) return `has pages of LMDB's layouts ${a} and ${b}`;
  return rootFault(newer(first, second), size);
}

/** The layout, when it is whole and another one: a later program's, or a much earlier one's. */
export function foreignLayout(path: string): number | null {
  if (sizeOf(path) === 0) return null;
  const head = readHead(path);
  const metas = [0, ...PAGE_BYTES].map((at) => metaAt(head, at)).filter((meta) => meta !== null);
  const [first, ...others] = metas.map(versionOf);
  const isForeign =
    others.length > 0 && others.every((version) => version === first) && first !== LMDB_VERSION;
  return isForeign ? first! : null;
}

/** Not there, or without a byte. */
export const isEmptyFile = (path: string): boolean => sizeOf(path) === 0;

/**
 * Whether the file ends before the last page that it counts. That alone is no fault, since pages at the end may
 * be free and never written; but reading one that is not would end the process.
 */
export function endsEarly(path: string): boolean {
  const size = sizeOf(path);
  if (size === 0 || lmdbFileFault(path) !== null || !is64Bit) return false;
  const head = readHead(path);
  const first = metaAt(head, 0)!;
  const meta = newer(
    first,
    PAGE_BYTES.map((at) => metaAt(head, at)).find((found) => found !== null)!,
  );
  const pages = meta.readBigUInt64LE(FROM_MAGIC.lastPage) + 1n;
  return pages * BigInt(pageBytesOf(meta)) > BigInt(size);
}

/** The other layout has other places; there LMDB finds out by itself. */
const is64Bit = process.arch !== "arm" && process.arch !== "ia32";

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
const versionOf = (meta: Buffer): number => meta.readUInt32LE(FROM_MAGIC.version);
const pageBytesOf = (meta: Buffer): number => meta.readUInt32LE(FROM_MAGIC.pageBytes);

/** The one that the last transaction wrote. */
function newer(first: Buffer, second: Buffer): Buffer {
  const [a, b] = [first, second].map((meta) => meta.readBigUInt64LE(FROM_MAGIC.transaction));
  return b! > a! ? second : first;
}

function rootFault(meta: Buffer, size: number): string | null {
  if (!is64Bit) return null;
  const pageBytes = pageBytesOf(meta);
  if (!PAGE_BYTES.includes(pageBytes)) return `has pages of ${pageBytes} bytes`;
  for (const at of [FROM_MAGIC.freeRoot, FROM_MAGIC.root]) {
    const page = meta.readBigUInt64LE(at);
    if (page === NO_PAGE) continue;
    if ((page + 1n) * BigInt(pageBytes) > BigInt(size))
      return "is cut off: the root of its tree is not there";
  }
  return null;
}

function readHead(path: string): Buffer {
  const head = Buffer.alloc(Math.max(...PAGE_BYTES) + META_BYTES);
  const descriptor = openSync(path, "r");
  try {
    return head.subarray(0, readSync(descriptor, head, 0, head.length, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** A meta page from its magic on, or null. Zeros stand for what the file no longer has. */
function metaAt(head: Buffer, at: number): Buffer | null {
  const found = head.subarray(at, at + HEADER_BYTES_MAX).indexOf(MAGIC);
  if (found < 0) return null;
  const meta = Buffer.alloc(META_BYTES);
  head.copy(meta, 0, at + found, at + META_BYTES);
  return meta;
}
