/**
 * The module link: what the hub and a module's sandbox say to each other over a MessagePort (or a pipe).
 * Records go down as ABI entries, effects come up as ABI effects; runs of them are merged by the sandbox,
 * which has validated every byte, so that the hub's thread has little to do.
 *
 * A link belongs to one incarnation of a module. What an older one still sends arrives on a closed port and
 * is gone, which is safe: an unaccepted result is run again (J13).
 */
import type { Capability } from "./capability.ts";

export interface LinkBatch {
  readonly type: "batch";
  /** Counts from 1 within the link. Results come back in this order. */
  readonly seq: number;
  readonly count: number;
  /** Entries, contiguous from byte 0 of `buffer`; all of one lane, or all control records. */
  readonly bytes: number;
  readonly nowWall: number;
  readonly nowPowered: number;
  /** Transferred; the result comes back in it when it fits. */
  readonly buffer: ArrayBuffer;
}

export type ToModule =
  | LinkBatch
  /** Names of source ids that later batches use. Sent before the first batch that needs them. */
  | { readonly type: "sources"; readonly names: readonly (readonly [id: number, name: string])[] }
  /** What the hub did not do of a result, and why: a line for the module's log. */
  | { readonly type: "refused"; readonly text: string };

/** What went wrong in a guest. `message` and `stack` are the guest's own words: for people, never parsed. */
export interface Fault {
  readonly kind: FaultKind;
  readonly message: string;
  /** Guest frames, outermost last, source positions where the map is at hand. */
  readonly stack?: string;
}

export const FAULT_KINDS = [
  "unreachable",
  "abort",
  "memory_out_of_bounds",
  "stack_exhausted",
  "memory", // the mailbox or the result did not fit the module's memory
  "arithmetic",
  "trap", // any other trap of the engine
  "exit", // proc_exit
  "result", // the result is not valid ABI
  "deadline", // stopped by the watchdog
  "init", // did not come up
  "wasi", // the WASI provider itself failed: the worker is not to be trusted
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface LinkResult {
  readonly type: "result";
  readonly seq: number;
  /** Effects, contiguous from byte 0. Every record of the batch has its outcome in them (J2). */
  readonly bytes: number;
  readonly buffer: ArrayBuffer;
  /** CPU time of the guest for this batch, microseconds; sizes later batches. */
  readonly cpuUs: number;
  /** Records that were dead-lettered by a fault of their own (J26). */
  readonly poisoned: number;
}

export type FromModule = LinkResult;

/** Effects on the link beyond the ABI's: made by the sandbox, never by a guest. */
export const LINK_EFFECT = {
  /** u32 from, u32 to, u32 count, u32 0: the entries in bytes [from, to) of the batch go to the output. */
  PASS_RUN: 0x8001,
  /** u32 count, u32 bytes, then the frames: source, hops and time are set; the uid is the hub's to write. */
  EMIT_RUN: 0x8002,
  /** u32 from, u32 to, u32 reason length, u32 0, then DeadLetterReason as JSON: that one entry is dead. */
  DEAD_LETTER: 0x8003,
} as const;

/** Why an entry was given up. */
export interface DeadLetterReason {
  readonly reason:
    | "fault"
    | "verdict"
    | "hops"
    | "expired"
    | "overflow"
    | "undeliverable"
    /** A consumer on the network refused it for good, or it came back too often. */
    | "rejected"
    | "deliveries";
  readonly fault?: Fault;
  /** The module's own words, of a verdict. */
  readonly text?: string;
}

/** What a sandbox needs to run one module. Structured-cloneable: it is the worker's `workerData`. */
export interface SandboxSpec {
  readonly name: string;
  readonly module: WebAssembly.Module;
  /** sha256 of the artifact, hex: for messages. */
  readonly digest: string;
  readonly grants: readonly Capability[];
  /** Methods that the module can be called by; absent = none. */
  readonly methods?: readonly string[];
  readonly config: unknown;
  readonly configVersion: number;
  readonly env: Readonly<Record<string, string>>;
  readonly limits: SandboxLimits;
  /** Source id of each output, by port: the hub assigned them when it opened the module. */
  readonly outputSources: readonly number[];
  /** The module's key-value image as last committed. The worker is its only writer (J12). */
  readonly kv: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
  /** Instances of this module made before: a counter for `sp_init`. */
  readonly incarnation: number;
  /** Source map (JSON) for stacks, when it was kept beside the artifact. */
  readonly sourceMap?: string;
  /** Watchdog cell; layout in `WATCH`. */
  readonly watch: SharedArrayBuffer;
}

export interface SandboxLimits {
  /** CPU time of one record, ms. */
  readonly recordDeadlineMs: number;
  readonly resultBytesMax: number;
  readonly kvBytesMax: number;
  /** Log lines a second; more are counted and dropped. */
  readonly logLinesPerSecond: number;
  readonly filesBytesMax: number;
}

/**
 * The watchdog cell, Int32 indices. The worker writes, the supervisor polls; no messages, so that an
 * endless loop is seen too.
 */
export const WATCH = {
  /** Counts up at each entry into the guest; odd = inside, even = outside. */
  CALL: 0,
  /** Thread id for /proc/self/task/<tid>. */
  TID: 1,
  /** Records in the call that is running. */
  RECORDS: 2,
  WORDS: 4,
} as const;
