/**
 * Imports that AssemblyScript brings along (`env`). They are offered to every module and reach nothing
 * outside it: an abort becomes a fault with the guest's words, the rest goes to the log.
 */
import { randomBytes } from "node:crypto";
import { LOG_LINE_BYTES_MAX, type Capability } from "../../abi/index.ts";
import type { HostState } from "./host-calls.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { GuestFault } from "./trap.ts";

const TRACE_NUMBERS_MAX = 5;
/** An AssemblyScript string is UTF-16; its byte length lies in front of it. */
const STRING_LENGTH_BYTES = 4;

export function runtimeImports(
  host: HostState,
  memory: GuestMemory,
  grants: readonly Capability[],
): Record<string, (...args: number[]) => number | void> {
  const log = (level: "debug" | "info", text: string): void => {
    if (grants.includes("log")) host.log.write(level, text);
  };
  return {
    abort: (message, file, line, column) => {
      const words = readString(memory, message!) || "abort";
      const place = file === 0 ? "" : ` at ${readString(memory, file!)}:${line! >>> 0}:${column! >>> 0}`;
      throw new GuestFault("abort", words + place);
    },
    seed: () => (grants.includes("random") ? randomBytes(4).readUInt32LE() : 1),
    trace: (message, count, ...numbers) => {
      const shown = numbers.slice(0, Math.min(count! >>> 0, TRACE_NUMBERS_MAX));
      log("debug", [readString(memory, message!), ...shown].join(" "));
    },
    "console.log": (message) => log("info", readString(memory, message!)),
  };
}

/** A null or wild pointer reads as the empty string. */
function readString(memory: GuestMemory, ptr: number): string {
  const start = ptr >>> 0;
  if (start < STRING_LENGTH_BYTES || !memory.holds(start - STRING_LENGTH_BYTES, STRING_LENGTH_BYTES))
    return "";
  const { u8 } = memory.block;
  const bytes = Math.min(u8.readUInt32LE(start - STRING_LENGTH_BYTES), LOG_LINE_BYTES_MAX) & ~1;
  return memory.holds(start, bytes) ? u8.toString("utf16le", start, start + bytes) : "";
}
