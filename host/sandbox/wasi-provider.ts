/**
 * WASI for one instance: @wasmer/wasi behind guards and functions of our own. Nothing of the host is
 * reachable through it: files are in memory, streams go to the module's log, sockets do not exist.
 *
 * An interface, because the package is no longer developed. What the provider throws on a guest's behalf is
 * a GuestFault; when the library itself breaks, `failure` stays set and the worker must end.
 */
import type { Capability } from "../../abi/index.ts";
import { FileQuota } from "./file-quota.ts";
import { GuestMemory } from "./guest-memory.ts";
import type { GuestLog } from "./guest-log.ts";
import { GuestFault } from "./trap.ts";
import { ownCalls, type WasiFunction } from "./wasi-calls.ts";
import { ERRNO, guardErrno, WASI_FUNCTIONS, type WasiArgs } from "./wasi-guards.ts";
import type { WasiLibrary } from "./wasi-library.ts";

export type { WasiLibrary } from "./wasi-library.ts";

const WASI_NAMESPACE = "wasi_snapshot_preview1";
/** fd_read and fd_write: the library creates no file without them, whatever the standard says. */
const RIGHTS_TO_CREATE = 0x42n;
const OFLAG_CREATE = 1;
const STDERR = 2;

export interface WasiProvider {
  /** Functions of `wasi_snapshot_preview1`. They answer NOSYS until `bind`. */
  readonly imports: Readonly<Record<string, (...args: never[]) => unknown>>;
  /** The instance that was made with `imports`. */
  bind(instance: WebAssembly.Instance): void;
  /** Gives the library's memory back. The instance must not run after it. */
  dispose(): void;
  /** Why the provider itself cannot be trusted any more, or null. */
  readonly failure: GuestFault | null;
}

export interface WasiOptions {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly grants: readonly Capability[];
  readonly filesBytesMax: number;
  readonly log: GuestLog;
}

/** `library` must have been loaded in this thread. */
export function createWasiProvider(
  library: WasiLibrary,
  module: WebAssembly.Module,
  options: WasiOptions,
): WasiProvider {
  const memory = new GuestMemory();
  const wasi = new library.WASI({ args: [...options.args], env: { ...options.env } });
  const base = wasi.getImports(module) as Record<string, Record<string, (...args: WasiArgs) => number>>;
  const theirs = base[WASI_NAMESPACE] ?? {};
  const own = ownCalls(memory, options.grants, options.log);
  const quota = new FileQuota(options.filesBytesMax, wasi);
  let bound = false;
  let freed = false;
  let failure: GuestFault | null = null;

  /** Runs what may call into the library, where anything thrown means that it is broken. */
  const trusted = <T>(name: string, run: () => T): T => {
    try {
      return run();
    } catch (error) {
      failure ??= new GuestFault("wasi", `${name} broke the WASI provider: ${String(error)}`);
      throw failure;
    }
  };

  const callLibrary = (name: string, args: WasiArgs): number => {
    const errno = trusted(name, () => quota.charge(name, args, vectorBytes(name, args, memory)));
    if (errno !== 0) return errno;
    const result = trusted(name, () => theirs[name]!(...withRights(name, args)));
    if (result === ERRNO.SUCCESS) quota.settle(name);
    return result;
  };

  const call = (name: string, args: WasiArgs): unknown => {
    if (!bound) return ERRNO.NOSYS;
    if (failure !== null) throw failure;
    const errno = guardErrno(name, args, memory);
    if (errno !== 0) return errno;
    if (name === "fd_write" && Number(args[0]) >>> 0 <= STDERR)
      return own.writeStandard(...(args as [number, number, number, number]));
    const ours: WasiFunction | undefined = own.functions[name];
    return ours === undefined ? callLibrary(name, args) : ours(...(args as never[]));
  };

  const imports: Record<string, (...args: never[]) => unknown> = {};
  for (const name of WASI_FUNCTIONS) imports[name] = (...args: never[]) => call(name, args);
  return {
    imports,
    bind(instance) {
      memory.attach(instance.exports["memory"] as WebAssembly.Memory);
      // From the library's declarations, which know another WebAssembly namespace.
      wasi.instantiate(instance as Parameters<typeof wasi.instantiate>[0]);
      bound = true;
    },
    dispose() {
      if (freed) return;
      freed = true;
      bound = false;
      own.flush();
      // A library that broke is not to be called again, not even to free.
      if (failure === null) wasi.free();
    },
    get failure() {
      return failure;
    },
  };
}

const withRights = (name: string, args: WasiArgs): WasiArgs =>
  name === "path_open" && (Number(args[4]) & OFLAG_CREATE) !== 0
    ? args.with(5, BigInt(args[5] ?? 0) | RIGHTS_TO_CREATE)
    : args;

/** Bytes in the buffers of a write. */
function vectorBytes(name: string, args: WasiArgs, memory: GuestMemory): number {
  if (name !== "fd_write" && name !== "fd_pwrite") return 0;
  const { u8 } = memory.block;
  let at = Number(args[1]) >>> 0;
  let bytes = 0;
  for (let n = Number(args[2]) >>> 0; n > 0; n--, at += 8) bytes += u8.readUInt32LE(at + 4);
  return bytes;
}
