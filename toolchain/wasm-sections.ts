/** Sections of a WebAssembly binary, as far as the engine's own interface does not show them. */
import { ArtifactError } from "./errors.ts";

export interface WasmSection {
  readonly id: number;
  /** Of a custom section. */
  readonly name: string;
  /** The section with its id and length. */
  readonly start: number;
  readonly end: number;
  /** Its contents: behind the name, of a custom section. */
  readonly contents: Uint8Array;
}

export const SECTION = { CUSTOM: 0, MEMORY: 5 } as const;
const HEADER_BYTES = 8;
const PAGE_BYTES = 65536;

/** @throws {ArtifactError} SP_ARTIFACT when a section does not lie within the bytes. */
export function wasmSections(wasm: Uint8Array): WasmSection[] {
  const sections: WasmSection[] = [];
  let at = HEADER_BYTES;
  while (at < wasm.length) {
    const start = at;
    const id = wasm[at]!;
    const [length, from] = readU32(wasm, at + 1);
    const end = from + length;
    if (end > wasm.length)
      throw new ArtifactError("SP_ARTIFACT", `section at byte ${start}: longer than the file`);
    let contents = from;
    let name = "";
    if (id === SECTION.CUSTOM) {
      const [nameLength, nameFrom] = readU32(wasm, from);
      contents = Math.min(nameFrom + nameLength, end);
      name = Buffer.from(wasm.subarray(nameFrom, contents)).toString("utf8");
    }
    sections.push({ id, name, start, end, contents: wasm.subarray(contents, end) });
    at = end;
  }
  return sections;
}

/** Bytes with a custom section at their end, where it moves no code. */
export function appendCustomSection(wasm: Uint8Array, name: string, contents: Uint8Array): Uint8Array {
  const nameBytes = Buffer.from(name, "utf8");
  const nameLength = writeU32(nameBytes.length);
  const length = writeU32(nameLength.length + nameBytes.length + contents.length);
  return Buffer.concat([wasm, Buffer.from([SECTION.CUSTOM]), length, nameLength, nameBytes, contents]);
}

export function withoutCustomSection(wasm: Uint8Array, name: string): Uint8Array {
  const kept = wasmSections(wasm).filter((section) => section.id !== SECTION.CUSTOM || section.name !== name);
  return Buffer.concat([
    wasm.subarray(0, HEADER_BYTES),
    ...kept.map(({ start, end }) => wasm.subarray(start, end)),
  ]);
}

/** Maximum of the one memory in bytes; null when it has none, or there is no memory. */
export function memoryMaximum(wasm: Uint8Array): number | null {
  const memory = wasmSections(wasm).find(({ id }) => id === SECTION.MEMORY);
  if (memory === undefined) return null;
  const [, flagsAt] = readU32(memory.contents, 0);
  const [flags, initialAt] = readU32(memory.contents, flagsAt);
  const [, maximumAt] = readU32(memory.contents, initialAt);
  return (flags & 1) === 0 ? null : readU32(memory.contents, maximumAt)[0] * PAGE_BYTES;
}

/** LEB128: the number, and the byte behind it. */
function readU32(bytes: Uint8Array, at: number): readonly [number, number] {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
  throw new ArtifactError("SP_ARTIFACT", `length at byte ${at}: malformed`);
}

function writeU32(value: number): Buffer {
  const bytes: number[] = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return Buffer.from(bytes);
}
