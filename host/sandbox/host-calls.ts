/**
 * What the host does when a guest calls it: one function per row of HOST_FUNCTIONS. They touch the module's
 * own key-value overlay, its log, and nothing else. A pointer out of range is a bug in the guest, answered
 * with INVALID.
 */
import { randomFillSync } from "node:crypto";
import { KV_KEY_BYTES_MAX, KV_VALUE_BYTES_MAX, LOG_LINE_BYTES_MAX, STATUS } from "../../abi/index.ts";
import { LOG_LEVELS, type GuestLog } from "./guest-log.ts";
import type { GuestMemory } from "./guest-memory.ts";
import type { KvOverlay } from "./kv-overlay.ts";

/** What outlives an instance: the worker makes it once. */
export interface HostState {
  readonly kv: KvOverlay;
  readonly log: GuestLog;
  /** Names of message sources by id, utf-8. */
  readonly sources: Map<number, Uint8Array>;
  /** Wall clock of the running batch, ms. */
  nowWall: number;
}

export type HostCalls = Record<string, (...args: number[]) => number | void>;

export function hostCalls(host: HostState, memory: GuestMemory): HostCalls {
  return { ...kvCalls(host, memory), ...plainCalls(host, memory) };
}

function plainCalls(host: HostState, memory: GuestMemory): HostCalls {
  return {
    log: (level, ptr, length) => {
      const bounded = Math.min(length! >>> 0, LOG_LINE_BYTES_MAX);
      const text = memory.holds(ptr!, bounded) ? memory.text(ptr!, bounded) : "log: text outside memory";
      host.log.write(LOG_LEVELS[level!] ?? "info", text);
    },
    now: () => host.nowWall,
    monotonic: () => performance.now(),
    random: (ptr, length) => {
      if (!memory.holds(ptr!, length!)) return STATUS.INVALID;
      randomFillSync(memory.block.u8, ptr! >>> 0, length! >>> 0);
      return length!;
    },
    source_name: (id, dst, dstLength) => {
      const name = host.sources.get(id! >>> 0);
      return name === undefined ? STATUS.ABSENT : copyOut(memory, name, dst!, dstLength!);
    },
  };
}

function kvCalls({ kv }: HostState, memory: GuestMemory): HostCalls {
  const isKey = (ptr: number, length: number): boolean =>
    length > 0 && length <= KV_KEY_BYTES_MAX && memory.holds(ptr, length);
  const isPrefix = (ptr: number, length: number): boolean =>
    length >= 0 && length <= KV_KEY_BYTES_MAX && memory.holds(ptr, length);
  return {
    kv_get: (ptr, length, dst, dstLength) => {
      if (!isKey(ptr!, length!)) return STATUS.INVALID;
      const value = kv.get(memory.key(ptr!, length!));
      return value === undefined ? STATUS.ABSENT : copyOut(memory, value, dst!, dstLength!);
    },
    kv_put: (ptr, length, valuePtr, valueLength) => {
      if (!isKey(ptr!, length!) || !memory.holds(valuePtr!, valueLength!)) return STATUS.INVALID;
      const bytes = valueLength! >>> 0;
      if (bytes > KV_VALUE_BYTES_MAX) return STATUS.QUOTA;
      const start = valuePtr! >>> 0;
      return kv.put(memory.key(ptr!, length!), memory.block.u8.subarray(start, start + bytes));
    },
    kv_del: (ptr, length) => {
      if (!isKey(ptr!, length!)) return STATUS.INVALID;
      return kv.del(memory.key(ptr!, length!));
    },
    kv_scan: (prefixPtr, prefixLength, afterPtr, afterLength, dst, dstLength) => {
      if (!isPrefix(prefixPtr!, prefixLength!) || !isPrefix(afterPtr!, afterLength!)) return STATUS.INVALID;
      const key = kv.next(memory.key(prefixPtr!, prefixLength!), memory.key(afterPtr!, afterLength!));
      if (key === undefined) return STATUS.ABSENT;
      return copyOut(memory, Buffer.from(key, "latin1"), dst!, dstLength!);
    },
  };
}

/** Copies when it fits. Returns the length either way, so that a guest can come back with more room. */
function copyOut(memory: GuestMemory, bytes: Uint8Array, dst: number, dstLength: number): number {
  if (!memory.holds(dst, dstLength)) return STATUS.INVALID;
  if (bytes.length <= dstLength >>> 0) memory.block.u8.set(bytes, dst >>> 0);
  return bytes.length;
}
