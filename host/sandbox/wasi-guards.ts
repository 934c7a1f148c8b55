/**
 * What must hold of a WASI call's arguments before the library sees them. It panics on wild lengths and
 * enums, and after a thousand panics it is dead for the whole thread: so nothing gets through unjudged, and
 * a function that is not in this table does not exist for a guest.
 */
import type { GuestMemory } from "./guest-memory.ts";
import { isUtf8 } from "node:buffer";

export const ERRNO = {
  SUCCESS: 0,
  BADF: 8,
  FAULT: 21,
  ILSEQ: 25,
  INVAL: 28,
  MFILE: 33,
  NAMETOOLONG: 37,
  NOSPC: 51,
  NOSYS: 52,
  NOTSUP: 58,
  SPIPE: 70,
  NOTCAPABLE: 76,
} as const;

const PATH_BYTES_MAX = 4096;
const PATH_DEPTH_MAX = 64;
const IO_VECTORS_MAX = 1024;
const IO_VECTOR_BYTES = 8;

/** An argument as the engine hands it over: i64 comes as BigInt. */
export type WasiArgs = readonly (number | bigint)[];

/** Returns an errno, or 0 to let the call through. Positions are those of the arguments. */
type Check = (args: WasiArgs, memory: GuestMemory) => number;

const arg = (args: WasiArgs, position: number): number => Number(args[position]) >>> 0;

/** A result of fixed size is written at the pointer. */
const out =
  (ptr: number, bytes: number): Check =>
  (args, memory) =>
    memory.holds(arg(args, ptr), bytes) ? 0 : ERRNO.FAULT;

const region =
  (ptr: number, length: number): Check =>
  (args, memory) =>
    memory.holds(arg(args, ptr), arg(args, length)) ? 0 : ERRNO.FAULT;

const atMost =
  (position: number, max: number): Check =>
  (args) =>
    arg(args, position) <= max ? 0 : ERRNO.INVAL;

const path =
  (ptr: number, length: number): Check =>
  (args, memory) => {
    const start = arg(args, ptr);
    const bytes = arg(args, length);
    if (bytes > PATH_BYTES_MAX) return ERRNO.NAMETOOLONG;
    if (!memory.holds(start, bytes)) return ERRNO.FAULT;
    const text = memory.block.u8.subarray(start, start + bytes);
    if (text.includes(0)) return ERRNO.INVAL;
    if (!isUtf8(text)) return ERRNO.ILSEQ;
    return memory.text(start, bytes).split("/").length > PATH_DEPTH_MAX ? ERRNO.NAMETOOLONG : 0;
  };

/** Scattered buffers: each within memory, and in sum no more than memory holds. */
const vectors =
  (ptr: number, count: number): Check =>
  (args, memory) => {
    const start = arg(args, ptr);
    const n = arg(args, count);
    if (n > IO_VECTORS_MAX) return ERRNO.INVAL;
    if (!memory.holds(start, n * IO_VECTOR_BYTES)) return ERRNO.FAULT;
    const { u8 } = memory.block;
    let sum = 0;
    for (let at = start; at < start + n * IO_VECTOR_BYTES; at += IO_VECTOR_BYTES) {
      const length = u8.readUInt32LE(at + 4);
      if (!memory.holds(u8.readUInt32LE(at), length)) return ERRNO.FAULT;
      sum += length;
    }
    return sum <= u8.length ? 0 : ERRNO.INVAL;
  };

const refuse =
  (errno: number): Check =>
  () =>
    errno;

/** stdin, stdout and stderr are ours: a stream that the library buffers grows without end. */
const notStandard =
  (position: number, errno: number): Check =>
  (args) =>
    arg(args, position) > 2 ? 0 : errno;

const FILESTAT_BYTES = 64;

const GUARDS: ReadonlyMap<string, readonly Check[]> = new Map(
  Object.entries({
    args_get: [],
    args_sizes_get: [out(0, 4), out(1, 4)],
    clock_res_get: [out(1, 8)],
    clock_time_get: [out(2, 8)],
    environ_get: [],
    environ_sizes_get: [out(0, 4), out(1, 4)],
    fd_advise: [atMost(3, 5)],
    fd_allocate: [notStandard(0, ERRNO.SPIPE)],
    fd_close: [],
    fd_datasync: [],
    fd_fdstat_get: [out(1, 24)],
    fd_fdstat_set_flags: [atMost(1, 31)],
    fd_fdstat_set_rights: [],
    fd_filestat_get: [out(1, FILESTAT_BYTES)],
    fd_filestat_set_size: [notStandard(0, ERRNO.SPIPE)],
    fd_filestat_set_times: [refuse(ERRNO.NOTSUP)],
    fd_pread: [notStandard(0, ERRNO.SPIPE), vectors(1, 2), out(4, 4)],
    fd_prestat_dir_name: [region(1, 2)],
    fd_prestat_get: [out(1, 8)],
    fd_pwrite: [notStandard(0, ERRNO.SPIPE), vectors(1, 2), out(4, 4)],
    fd_read: [vectors(1, 2), out(3, 4)],
    fd_readdir: [region(1, 2), out(4, 4)],
    fd_renumber: [notStandard(0, ERRNO.NOTSUP), notStandard(1, ERRNO.NOTSUP)],
    fd_seek: [notStandard(0, ERRNO.SPIPE), atMost(2, 2), out(3, 8)],
    fd_sync: [],
    fd_tell: [notStandard(0, ERRNO.SPIPE), out(1, 8)],
    fd_write: [vectors(1, 2), out(3, 4)],
    path_create_directory: [path(1, 2)],
    path_filestat_get: [atMost(1, 1), path(2, 3), out(4, FILESTAT_BYTES)],
    path_filestat_set_times: [refuse(ERRNO.NOTSUP)],
    path_link: [refuse(ERRNO.NOTSUP)],
    path_open: [atMost(1, 1), path(2, 3), atMost(4, 15), atMost(7, 31), out(8, 4)],
    path_readlink: [refuse(ERRNO.NOTSUP)],
    path_remove_directory: [path(1, 2)],
    path_rename: [path(1, 2), path(4, 5)],
    path_symlink: [refuse(ERRNO.NOTSUP)],
    path_unlink_file: [path(1, 2)],
    poll_oneoff: [out(3, 4)],
    proc_exit: [],
    proc_raise: [refuse(ERRNO.NOSYS)],
    random_get: [region(0, 1)],
    sched_yield: [],
  } satisfies Record<string, readonly Check[]>),
);

export const WASI_FUNCTIONS: readonly string[] = [...GUARDS.keys()];

export const isWasiFunction = (name: string): boolean => GUARDS.has(name);

/** The errno that a call with these arguments must return without being made, or 0. */
export function guardErrno(name: string, args: WasiArgs, memory: GuestMemory): number {
  for (const check of GUARDS.get(name) ?? []) {
    const errno = check(args, memory);
    if (errno !== 0) return errno;
  }
  return 0;
}
