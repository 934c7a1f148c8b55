/**
 * Every function a guest may import and every export it must offer, each as one row. The linker, the
 * toolchain's check and the reference page (ABI.md) read these tables; nothing else lists them.
 */
import type { Capability } from "./capability.ts";
import { IMPORT_NAMESPACE, MARKER_EXPORT } from "./version.ts";

export type WasmType = "i32" | "f64";

export interface HostFunction {
  readonly name: string;
  readonly params: readonly (readonly [name: string, type: WasmType])[];
  readonly result: WasmType | null;
  /** `null`: always granted, because it reaches nothing outside the module. */
  readonly capability: Capability | null;
  readonly since: number;
  readonly summary: string;
}

const fn = (
  name: string,
  params: HostFunction["params"],
  result: WasmType | null,
  capability: Capability | null,
  summary: string,
): HostFunction => ({ name, params, result, capability, since: 0, summary });

const range = (what: string) =>
  [
    [`${what}_ptr`, "i32"],
    [`${what}_len`, "i32"],
  ] as const;

export const HOST_FUNCTIONS: readonly HostFunction[] = [
  fn(
    "log",
    [["level", "i32"], ...range("text")],
    null,
    "log",
    "one line to the module's log; level 0 debug, 1 info, 2 warn, 3 error; utf-8, at most 4096 bytes",
  ),
  fn(
    "kv_get",
    [...range("key"), ...range("dst")],
    "i32",
    "kv",
    "copies the value; returns its length (nothing copied when it exceeds dst_len), or ABSENT",
  ),
  fn(
    "kv_put",
    [...range("key"), ...range("value")],
    "i32",
    "kv",
    "0, or QUOTA; visible to later reads of this batch",
  ),
  fn("kv_del", [...range("key")], "i32", "kv", "0, or ABSENT"),
  fn(
    "kv_scan",
    [...range("prefix"), ...range("after"), ...range("dst")],
    "i32",
    "kv",
    "writes the next key with the prefix after `after`, in byte order; returns its length, or ABSENT",
  ),
  fn("now", [], "f64", "clock", "wall clock, milliseconds since 1970; fixed for one batch"),
  fn("monotonic", [], "f64", "clock", "milliseconds of a clock that never goes back"),
  fn("random", [...range("dst")], "i32", "random", "fills dst with random bytes; returns its length"),
  fn(
    "source_name",
    [["source_id", "i32"], ...range("dst")],
    "i32",
    null,
    "name of a message's source; its length, or ABSENT",
  ),
];

/**
 * Imports that language runtimes bring along (AssemblyScript, wasi-libc). They are offered to every
 * module and do nothing outside it.
 */
export const RUNTIME_IMPORTS: readonly string[] = ["env.abort", "env.seed", "env.trace", "env.console.log"];

export interface GuestExport {
  readonly name: string;
  readonly kind: "function" | "memory";
  readonly required: boolean;
  readonly summary: string;
}

export const GUEST_EXPORTS: readonly GuestExport[] = [
  { name: "memory", kind: "memory", required: true, summary: "one linear memory, with a maximum" },
  { name: MARKER_EXPORT, kind: "function", required: true, summary: "marker, never called" },
  { name: "sp_init", kind: "function", required: true, summary: "(ptr, len) -> i32; 0, or a refusal" },
  { name: "sp_mailbox", kind: "function", required: true, summary: "(cap) -> ptr of unmanaged memory, or 0" },
  { name: "sp_batch", kind: "function", required: true, summary: "(ptr, len) -> ptr of a result, or 0" },
  { name: "_initialize", kind: "function", required: false, summary: "called once, before sp_init" },
];

export interface ImportVerdict {
  readonly module: string;
  readonly name: string;
  readonly verdict: "host" | "runtime" | "wasi" | "unknown";
  readonly capability: Capability | null;
}

const WASI_NAMESPACE = "wasi_snapshot_preview1";

/** The one judgement on an import, so that toolchain and linker cannot disagree. */
export function judgeImport(module: string, name: string): ImportVerdict {
  if (module === IMPORT_NAMESPACE) {
    const row = HOST_FUNCTIONS.find((f) => f.name === name);
    if (row) return { module, name, verdict: "host", capability: row.capability };
  }
  if (RUNTIME_IMPORTS.includes(`${module}.${name}`))
    return { module, name, verdict: "runtime", capability: null };
  if (module === WASI_NAMESPACE && !name.startsWith("sock_"))
    return { module, name, verdict: "wasi", capability: null };
  return { module, name, verdict: "unknown", capability: null };
}
