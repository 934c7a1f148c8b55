/**
 * From whatever a guest's run threw to a `Fault`. The engine's own words and JavaScript frames do not leave
 * this file; what does is bounded, and free of control characters.
 */
import type { Fault, FaultKind } from "../../abi/index.ts";
import type { SourceMap } from "./source-map.ts";

const MESSAGE_CHARS_MAX = 1024;
const STACK_FRAMES_MAX = 32;
const FRAME_CHARS_MAX = 256;
/** A batch can be poison from end to end, and all its stacks travel in one result. */
const STACK_CHARS_MAX = 2048;

/** Thrown by host code on behalf of a guest: an abort, an exit, an invalid result. */
export class GuestFault extends Error {
  readonly kind: FaultKind;

  constructor(kind: FaultKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** What no record can be blamed for. The worker ends, and the restart policy decides (J26). */
export class WorkerFault extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** Words of the engine (V8) for its traps. */
const TRAPS: readonly (readonly [pattern: RegExp, kind: FaultKind, message: string])[] = [
  [/^unreachable$/, "unreachable", "unreachable executed"],
  [/^memory access out of bounds$/, "memory_out_of_bounds", "memory access out of bounds"],
  [/^divide by zero$/, "arithmetic", "integer division by zero"],
  [/^remainder by zero$/, "arithmetic", "integer remainder by zero"],
  [/^divide result unrepresentable$/, "arithmetic", "integer division overflows"],
  [/^float unrepresentable in integer range$/, "arithmetic", "float does not fit an integer"],
];

export function toFault(error: unknown, map: SourceMap | null): Fault {
  if (error instanceof WorkerFault) return error.fault;
  const { kind, message } = judge(error);
  const stack = error instanceof Error ? guestFrames(error.stack ?? "", map) : "";
  return stack === "" ? { kind, message } : { kind, message, stack };
}

function judge(error: unknown): { kind: FaultKind; message: string } {
  if (error instanceof GuestFault) return { kind: error.kind, message: printable(error.message) };
  if (error instanceof RangeError && error.message.startsWith("Maximum call stack"))
    return { kind: "stack_exhausted", message: "call stack exhausted" };
  const words = error instanceof Error ? error.message : String(error);
  if (error instanceof WebAssembly.RuntimeError) {
    const row = TRAPS.find(([pattern]) => pattern.test(words));
    if (row !== undefined) return { kind: row[1], message: row[2] };
  }
  return { kind: "trap", message: printable(words) };
}

const FRAME = /^\s+at (?:(.*) \()?wasm:\/\/.*:wasm-function\[(\d+)\]:0x([0-9a-f]+)\)?$/;

/** The guest's frames of a V8 stack, innermost first; a source position where the map knows one. */
function guestFrames(stack: string, map: SourceMap | null): string {
  const lines: string[] = [];
  for (const line of stack.split("\n")) {
    const [, name, index, hex] = FRAME.exec(line) ?? [];
    if (index === undefined || hex === undefined) continue;
    const position = map?.lookup(Number.parseInt(hex, 16));
    const place = position ? `${position.file}:${position.line}:${position.column}` : `wasm 0x${hex}`;
    lines.push(printable(`${name ?? `function ${index}`} (${place})`, FRAME_CHARS_MAX));
    if (lines.length === STACK_FRAMES_MAX) break;
  }
  const text = lines.join("\n");
  return text.length <= STACK_CHARS_MAX ? text : text.slice(0, text.lastIndexOf("\n", STACK_CHARS_MAX));
}

/** Control characters but tab, line separators, and what turns the direction of writing. */
const CONTROL = /[^\P{Cc}\t]|[\u2028-\u202e\u2066-\u2069]/gu;

/** One line that is safe on a terminal, of bounded length. */
export function printable(text: string, charsMax = MESSAGE_CHARS_MAX): string {
  const short = text.length > charsMax ? `${text.slice(0, charsMax - 3)}...` : text;
  return short.replace(CONTROL, "\ufffd");
}
