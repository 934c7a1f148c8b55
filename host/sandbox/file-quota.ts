/**
 * The quota of the in-memory file system. Growth is charged before a call at its upper bound; when the
 * allowance is used up, the files are measured, since deleted ones and overwritten ranges came back.
 */
import type { WASI } from "@wasmer/wasi";
import { ERRNO, type WasiArgs } from "./wasi-guards.ts";

/** What a file or directory costs beside its content. */
const NODE_BYTES = 512;
const OPEN_FILES_MAX = 256;
const OFLAG_CREATE = 1;

export class FileQuota {
  readonly #bytesMax: number;
  readonly #wasi: WASI;
  #allowance: number;
  #open = 0;

  constructor(bytesMax: number, wasi: WASI) {
    this.#bytesMax = bytesMax;
    this.#wasi = wasi;
    this.#allowance = bytesMax;
  }

  /** The errno when a call would pass the quota, or 0. `vectorBytes`: what the call's buffers hold. */
  charge(name: string, args: WasiArgs, vectorBytes: number): number {
    if (name === "path_open" && this.#open >= OPEN_FILES_MAX) return ERRNO.MFILE;
    const bytes = growth(name, args, vectorBytes);
    if (bytes === 0) return 0;
    if (bytes > this.#allowance) this.#allowance = this.#bytesMax - measure(this.#wasi);
    if (bytes > this.#allowance) return ERRNO.NOSPC;
    this.#allowance -= bytes;
    return 0;
  }

  /** After a call that succeeded. */
  settle(name: string): void {
    if (name === "path_open") this.#open++;
    else if (name === "fd_close" || name === "fd_renumber") this.#open = Math.max(0, this.#open - 1);
  }
}

/** Most bytes that a call can add. */
function growth(name: string, args: WasiArgs, vectorBytes: number): number {
  switch (name) {
    case "fd_write":
      return vectorBytes;
    case "fd_pwrite":
      return unsigned(args[3]) + vectorBytes;
    case "fd_allocate":
      return unsigned(args[1]) + unsigned(args[2]);
    case "fd_filestat_set_size":
      return unsigned(args[1]);
    case "path_create_directory":
      return NODE_BYTES;
    case "path_open":
      return (Number(args[4]) & OFLAG_CREATE) === 0 ? 0 : NODE_BYTES;
    default:
      return 0;
  }
}

const unsigned = (value: number | bigint | undefined): number =>
  Number(BigInt.asUintN(64, BigInt(value ?? 0)));

interface DirEntry {
  readonly path: string;
  readonly metadata: { readonly filetype: { readonly dir: boolean } };
}

function measure(wasi: WASI): number {
  // `wasi.fs` makes a new handle each time; one that is not freed leaks inside the library.
  const fs = wasi.fs;
  try {
    let bytes = 0;
    const folders = ["/"];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const { path, metadata } of fs.readDir(folder) as DirEntry[]) {
        bytes += NODE_BYTES;
        if (metadata.filetype.dir) folders.push(path);
        else bytes += fileBytes(fs, path);
      }
    }
    return bytes;
  } finally {
    fs.free();
  }
}

function fileBytes(fs: WASI["fs"], path: string): number {
  const file = fs.open(path, { read: true });
  try {
    return Number(file.size());
  } finally {
    file.free();
  }
}
