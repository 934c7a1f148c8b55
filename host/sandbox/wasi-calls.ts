/**
 * The WASI functions that are our own, because the library has them wrong (clocks, exit), panics in them
 * (poll), or buffers without end (standard streams). Arguments have passed the guards.
 */
import { randomFillSync } from "node:crypto";
import type { Capability } from "../../abi/index.ts";
import type { GuestLog } from "./guest-log.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { LineBuffer } from "./line-buffer.ts";
import { GuestFault } from "./trap.ts";
import { ERRNO } from "./wasi-guards.ts";
import { pollOneoff } from "./wasi-poll.ts";

const CLOCK = { REALTIME: 0, MONOTONIC: 1, CPU_LAST: 3 } as const;
const NS_PER_MS = 1_000_000n;
/** What `abort` of the AssemblyScript WASI shim exits with, after a line on stderr. */
const ABORT_EXIT_CODE = 255;
const ABORT_LINE = /^abort: (.*) in (.*)\((\d+):(\d+)\)$/;

export type WasiFunction = (...args: never[]) => unknown;

export interface OwnCalls {
  readonly functions: Readonly<Record<string, WasiFunction>>;
  /** Writes `fd_write` bytes of the standard streams to the log; other descriptors are not ours. */
  writeStandard(fd: number, vectors: number, count: number, written: number): number;
  /** Logs what was written without a line end. */
  flush(): void;
}

export function ownCalls(memory: GuestMemory, grants: readonly Capability[], log: GuestLog): OwnCalls {
  let lastError = "";
  const stdout = new LineBuffer((line) => write("info", line));
  const stderr = new LineBuffer((line) => {
    lastError = line;
    write("warn", line);
  });
  const write = (level: "info" | "warn", line: string): void => {
    if (grants.includes("log")) log.write(level, line);
  };
  const writeStandard: OwnCalls["writeStandard"] = (fd, vectors, count, written) => {
    if (fd === 0) return ERRNO.BADF;
    const { u8 } = memory.block;
    let sum = 0;
    for (let at = vectors >>> 0, i = 0; i < count >>> 0; i++, at += 8) {
      const start = u8.readUInt32LE(at);
      const length = u8.readUInt32LE(at + 4);
      (fd === 1 ? stdout : stderr).write(u8.subarray(start, start + length));
      sum += length;
    }
    u8.writeUInt32LE(sum, written >>> 0);
    return ERRNO.SUCCESS;
  };
  const flush = (): void => {
    stdout.flush();
    stderr.flush();
  };
  const exit = (code: number): never => {
    flush();
    const [, words, file, line, column] = (code === ABORT_EXIT_CODE && ABORT_LINE.exec(lastError)) || [];
    if (words !== undefined) throw new GuestFault("abort", `${words} at ${file}:${line}:${column}`);
    throw new GuestFault("exit", `proc_exit(${code >>> 0})`);
  };
  const functions = {
    ...clockCalls(memory, grants.includes("clock")),
    proc_exit: exit,
    sched_yield: () => ERRNO.SUCCESS,
    random_get: (ptr: number, length: number) => {
      if (!grants.includes("random")) return ERRNO.NOTCAPABLE;
      randomFillSync(memory.block.u8, ptr >>> 0, length >>> 0);
      return ERRNO.SUCCESS;
    },
  };
  return { functions, writeStandard, flush };
}

function clockCalls(memory: GuestMemory, granted: boolean): Record<string, WasiFunction> {
  const resolution = (id: number): bigint => (id === CLOCK.REALTIME ? NS_PER_MS : 1n);
  const isClock = (id: number): boolean => id >= 0 && id <= CLOCK.CPU_LAST;
  return {
    clock_res_get: (id: number, ptr: number) => {
      if (!isClock(id)) return ERRNO.INVAL;
      memory.block.u8.writeBigUInt64LE(resolution(id), ptr >>> 0);
      return ERRNO.SUCCESS;
    },
    clock_time_get: (id: number, _precision: bigint, ptr: number) => {
      if (!isClock(id)) return ERRNO.INVAL;
      if (!granted) return ERRNO.NOTCAPABLE;
      const ns = id === CLOCK.REALTIME ? BigInt(Date.now()) * NS_PER_MS : process.hrtime.bigint();
      memory.block.u8.writeBigUInt64LE(ns, ptr >>> 0);
      return ERRNO.SUCCESS;
    },
    poll_oneoff: (subscriptions: number, events: number, count: number, eventCount: number) =>
      granted ? pollOneoff(memory, subscriptions, events, count, eventCount) : ERRNO.NOTCAPABLE,
  };
}
