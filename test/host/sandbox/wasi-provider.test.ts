import { beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import { DEFAULT_GRANTS, type Capability } from "../../../abi/index.ts";
import { GuestLog } from "../../../host/sandbox/guest-log.ts";
import { GuestFault } from "../../../host/sandbox/trap.ts";
import { ERRNO, WASI_FUNCTIONS } from "../../../host/sandbox/wasi-guards.ts";
import { compileWasiLibrary, loadWasiLibrary, type WasiLibrary } from "../../../host/sandbox/wasi-library.ts";
import { createWasiProvider, type WasiProvider } from "../../../host/sandbox/wasi-provider.ts";
import { compileGuest } from "./guests.ts";
import { random } from "./seed.ts";

const QUOTA = 64 * 1024;
const DIR = 4; // the preopened "." of the in-memory file system
const ALL_RIGHTS = 0x1fffffffn;

let library: WasiLibrary;
let module: WebAssembly.Module;
beforeAll(async () => {
  library = loadWasiLibrary(compileWasiLibrary());
  module = new WebAssembly.Module((await compileGuest("prints-to-stdout")).wasm);
});

type Call = (...args: (number | bigint)[]) => number;

/** A provider bound to an instance whose memory the test writes as a guest would. */
class Guest {
  readonly provider: WasiProvider;
  readonly lines: string[] = [];
  readonly #memory: WebAssembly.Memory;

  constructor(grants: readonly Capability[] = DEFAULT_GRANTS) {
    const log = new GuestLog(1e9, (lines) => this.lines.push(...lines.map((l) => `${l.level} ${l.text}`)));
    const options = { args: ["guest", "x"], env: { COLOUR: "red" }, grants, filesBytesMax: QUOTA, log };
    this.provider = createWasiProvider(library, module, options);
    const abort = (): void => {};
    const instance = new WebAssembly.Instance(module, {
      wasi_snapshot_preview1: this.provider.imports,
      env: { abort },
    });
    this.#memory = instance.exports["memory"] as WebAssembly.Memory;
    this.#memory.grow(4);
    this.provider.bind(instance);
  }

  get view(): Buffer {
    return Buffer.from(this.#memory.buffer);
  }

  call(name: string, ...args: (number | bigint)[]): number {
    return (this.provider.imports[name] as unknown as Call)(...args);
  }

  text(text: string, at = 70_000): [ptr: number, length: number] {
    return [at, this.view.write(text, at)];
  }

  open(path: string, oflags = 1, rights = ALL_RIGHTS): [errno: number, fd: number] {
    const errno = this.call("path_open", DIR, 0, ...this.text(path), oflags, rights, rights, 0, 69_000);
    return [errno, this.view.readUInt32LE(69_000)];
  }

  write(fd: number, length: number, name = "fd_write", ...middle: bigint[]): number {
    this.view.writeUInt32LE(72_000, 71_000);
    this.view.writeUInt32LE(length, 71_004);
    return this.call(name, fd, 71_000, 1, ...middle, 69_000);
  }
}

let guest: Guest;
beforeEach(() => {
  guest = new Guest();
});
afterEach(() => guest.provider.dispose());

describe("WASI", () => {
  test("exit ends the run with its code", () => {
    expect(() => guest.call("proc_exit", 7)).toThrow(new GuestFault("exit", "proc_exit(7)"));
  });

  test("an abort that the AssemblyScript shim prints before it exits is an abort with its words", () => {
    const [ptr, length] = guest.text("abort: no celsius in user.ts(9:26)\n");
    guest.view.writeUInt32LE(ptr, 71_000);
    guest.view.writeUInt32LE(length, 71_004);
    guest.call("fd_write", 2, 71_000, 1, 69_000);
    expect(() => guest.call("proc_exit", 255)).toThrow(new GuestFault("abort", "no celsius at user.ts:9:26"));
  });

  test("the monotonic clock is not the wall clock, and does not go back", () => {
    const read = (): bigint => {
      expect(guest.call("clock_time_get", 1, 0n, 69_000)).toBe(0);
      return guest.view.readBigUInt64LE(69_000);
    };
    const first = read();
    expect(read()).toBeGreaterThanOrEqual(first);
    expect(first).toBeLessThan(BigInt(Date.now()) * 1_000_000n);
    expect(guest.call("clock_time_get", 9, 0n, 69_000)).toBe(ERRNO.INVAL);
  });

  test("a sleep takes its time, and is capped", () => {
    guest.view.fill(0, 73_000, 73_048);
    guest.view.writeUInt32LE(1, 73_016);
    guest.view.writeBigUInt64LE(20_000_000n, 73_024);
    const started = performance.now();
    expect(guest.call("poll_oneoff", 73_000, 74_000, 1, 69_000)).toBe(0);
    expect(performance.now() - started).toBeGreaterThan(19);
    expect(guest.view.readUInt32LE(69_000)).toBe(1);
    guest.view.writeBigUInt64LE(3_600_000_000_000n, 73_024);
    expect(guest.call("poll_oneoff", 73_000, 74_000, 1, 69_000)).toBe(0);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  test("clock, random and log need their grants here too", () => {
    const poor = new Guest([]);
    expect(poor.call("clock_time_get", 0, 0n, 69_000)).toBe(ERRNO.NOTCAPABLE);
    expect(poor.call("random_get", 69_000, 8)).toBe(ERRNO.NOTCAPABLE);
    expect(poor.call("poll_oneoff", 73_000, 74_000, 1, 69_000)).toBe(ERRNO.NOTCAPABLE);
    expect(poor.write(1, 4)).toBe(0);
    poor.provider.dispose();
    expect(poor.lines).toEqual([]);
  });

  test("no host path is reachable", () => {
    for (const path of ["/etc/passwd", "../../etc/passwd", "/proc/self/environ", "/dev/null"])
      expect(guest.open(path, 0)[0]).not.toBe(0);
  });

  test("links, times and sockets are refused", () => {
    const name = guest.text("f");
    expect(guest.call("path_symlink", ...name, DIR, ...name)).toBe(ERRNO.NOTSUP);
    expect(guest.call("path_link", DIR, 0, ...name, DIR, ...name)).toBe(ERRNO.NOTSUP);
    expect(guest.call("path_readlink", DIR, ...name, 69_000, 10, 69_100)).toBe(ERRNO.NOTSUP);
    expect(guest.call("fd_filestat_set_times", DIR, 0n, 0n, 99)).toBe(ERRNO.NOTSUP);
    expect(WASI_FUNCTIONS.filter((name) => name.startsWith("sock_"))).toEqual([]);
  });

  test("streams cannot be moved to where the library would buffer them without end", () => {
    expect(guest.call("fd_renumber", 1, 9)).toBe(ERRNO.NOTSUP);
    expect(guest.call("fd_renumber", 5, 1)).toBe(ERRNO.NOTSUP);
    expect(guest.write(1, 8, "fd_pwrite", 0n)).toBe(ERRNO.SPIPE);
  });

  test("calls before the instance is bound answer NOSYS", () => {
    const log = new GuestLog(1, () => {});
    const options = { args: [], env: {}, grants: DEFAULT_GRANTS, filesBytesMax: QUOTA, log };
    const unbound = createWasiProvider(library, module, options);
    expect((unbound.imports["sched_yield"] as unknown as Call)()).toBe(ERRNO.NOSYS);
    unbound.dispose();
  });
});

describe("the file quota", () => {
  test("stops growth with ENOSPC, in whatever way it is tried", () => {
    const [, fd] = guest.open("a");
    expect(guest.write(fd, 32 * 1024)).toBe(0);
    expect(guest.write(fd, 32 * 1024)).toBe(ERRNO.NOSPC);
    expect(guest.call("fd_filestat_set_size", fd, 1n << 40n)).toBe(ERRNO.NOSPC);
    expect(guest.call("fd_filestat_set_size", fd, -1n)).toBe(ERRNO.NOSPC);
    expect(guest.call("fd_allocate", fd, 0n, 1n << 40n)).toBe(ERRNO.NOSPC);
    expect(guest.write(fd, 8, "fd_pwrite", 1n << 40n)).toBe(ERRNO.NOSPC);
  });

  test("gives back what was deleted", () => {
    for (let round = 0; round < 10; round++) {
      const [errno, fd] = guest.open("a");
      expect(errno).toBe(0);
      expect(guest.write(fd, 40 * 1024)).toBe(0);
      expect(guest.call("fd_close", fd)).toBe(0);
      expect(guest.call("path_unlink_file", DIR, ...guest.text("a"))).toBe(0);
    }
  });

  test("counts files and folders that hold nothing", () => {
    const results = new Set<number>();
    for (let i = 0; i < 300; i++)
      results.add(guest.call("path_create_directory", DIR, ...guest.text(`d${i}`)));
    expect(results).toEqual(new Set([0, ERRNO.NOSPC]));
  });

  test("bounds the number of open files", () => {
    guest.call("fd_close", guest.open("a")[1]);
    const results = new Set<number>();
    for (let i = 0; i < 300; i++) results.add(guest.open("a", 0)[0]);
    expect(results).toEqual(new Set([0, ERRNO.MFILE]));
  });
});

describe("hostile arguments", () => {
  /** Arguments of each function: p = 32-bit, q = 64-bit. */
  const SIGNATURES: Readonly<Record<string, string>> = {
    args_get: "pp",
    args_sizes_get: "pp",
    clock_res_get: "pp",
    clock_time_get: "pqp",
    environ_get: "pp",
    environ_sizes_get: "pp",
    fd_advise: "pqqp",
    fd_allocate: "pqq",
    fd_close: "p",
    fd_datasync: "p",
    fd_fdstat_get: "pp",
    fd_fdstat_set_flags: "pp",
    fd_fdstat_set_rights: "pqq",
    fd_filestat_get: "pp",
    fd_filestat_set_size: "pq",
    fd_filestat_set_times: "pqqp",
    fd_pread: "pppqp",
    fd_prestat_dir_name: "ppp",
    fd_prestat_get: "pp",
    fd_pwrite: "pppqp",
    fd_read: "pppp",
    fd_readdir: "pppqp",
    fd_renumber: "pp",
    fd_seek: "pqpp",
    fd_sync: "p",
    fd_tell: "pp",
    fd_write: "pppp",
    path_create_directory: "ppp",
    path_filestat_get: "ppppp",
    path_filestat_set_times: "ppppqqp",
    path_link: "ppppppp",
    path_open: "pppppqqpp",
    path_readlink: "pppppp",
    path_remove_directory: "ppp",
    path_rename: "pppppp",
    path_symlink: "ppppp",
    path_unlink_file: "ppp",
    proc_raise: "p",
    random_get: "pp",
    sched_yield: "",
  };

  test("have a signature here for every function but exit and poll", () => {
    expect(Object.keys(SIGNATURES).sort()).toEqual(
      WASI_FUNCTIONS.filter((n) => n !== "proc_exit" && n !== "poll_oneoff").sort(),
    );
  });

  test("never break the provider, and every call answers with an errno", () => {
    const { next, seed } = random();
    const words = [
      0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 63, 64, 4096, 69_000, 70_000, 70_001, 71_000, 0x7fffffff, -1, -8,
      -2147483648, 393_216, 393_210,
    ];
    const quads = [0n, 1n, 8n, 4096n, -1n, 1n << 40n, 1n << 63n, ALL_RIGHTS, 0x42n];
    const paths = [
      "a",
      "b/c",
      "..",
      ".",
      "/",
      "",
      "a/../../x",
      "\u0000",
      "\ud800",
      "x".repeat(5000),
      "d/".repeat(100),
      "\u00e9",
    ];
    const names = Object.keys(SIGNATURES);
    for (let round = 0; round < 20_000; round++) {
      const name = names[next(names.length)]!;
      if (round % 5 === 0) guest.text(paths[next(paths.length)]!);
      if (round % 7 === 0)
        for (let i = 0; i < 4; i++) guest.view.writeInt32LE(words[next(words.length)]!, 71_000 + 4 * i);
      const args = Array.from(SIGNATURES[name]!, (type) =>
        type === "p" ? words[next(words.length)]! : BigInt.asIntN(64, quads[next(quads.length)]!),
      );
      const errno = guest.call(name, ...args);
      expect(errno, `seed ${seed}, round ${round}: ${name}(${args.join(", ")})`).toBeTypeOf("number");
      expect(guest.provider.failure, `seed ${seed}, round ${round}: ${name}(${args.join(", ")})`).toBeNull();
    }
  });
});
