/**
 * The outline of a wasm binary: signatures of imports and exports, and the limits of its memories. The
 * JavaScript API tells names only, and neither a memory's maximum nor a function's type.
 *
 * Reads bytes that the engine has already accepted; still, every read is checked, so that it can be called
 * on anything. Code and data are skipped by length.
 */
import { ModuleRefusal } from "./errors.ts";

export interface WasmOutline {
  readonly imports: readonly OutlineItem[];
  readonly exports: readonly OutlineItem[];
  /** Memories that the module defines; imported ones are among `imports`. */
  readonly memories: readonly MemoryLimits[];
}

export interface OutlineItem {
  readonly name: string;
  /** Namespace of an import, "" for an export. */
  readonly module: string;
  readonly kind: ItemKind;
  /** Of a function: "(i32, i32) -> i32". Otherwise "". */
  readonly signature: string;
}

export type ItemKind = "function" | "table" | "memory" | "global" | "tag";
const ITEM_KINDS: readonly ItemKind[] = ["function", "table", "memory", "global", "tag"];

export interface MemoryLimits {
  readonly minPages: number;
  readonly maxPages: number | null;
  readonly shared: boolean;
  readonly address64: boolean;
}

export const WASM_PAGE_BYTES = 65536;

const SECTION = { TYPE: 1, IMPORT: 2, FUNCTION: 3, MEMORY: 5, EXPORT: 7 } as const;
const PREAMBLE_BYTES = 8;

const VALUE_TYPES: Readonly<Record<number, string>> = {
  0x7f: "i32",
  0x7e: "i64",
  0x7d: "f32",
  0x7c: "f64",
  0x7b: "v128",
  0x70: "funcref",
  0x6f: "externref",
};

export const signatureText = (params: readonly string[], results: readonly string[]): string =>
  `(${params.join(", ")}) -> ${results.length === 1 ? results[0] : `(${results.join(", ")})`}`;

/** @throws {ModuleRefusal} SP_MODULE_WASM */
export function readOutline(wasm: Uint8Array): WasmOutline {
  const cursor = new Cursor(wasm, PREAMBLE_BYTES, wasm.length);
  const types: string[] = [];
  const functions: string[] = [];
  const imports: OutlineItem[] = [];
  const exports: OutlineItem[] = [];
  const memories: MemoryLimits[] = [];
  while (cursor.at < cursor.end) {
    const id = cursor.byte();
    const section = cursor.slice(cursor.leb());
    if (id === SECTION.TYPE) section.list(() => types.push(section.functionType()));
    else if (id === SECTION.IMPORT) {
      section.list(() => imports.push(section.importItem(types)));
      for (const item of imports) if (item.kind === "function") functions.push(item.signature);
    } else if (id === SECTION.FUNCTION) section.list(() => functions.push(types[section.leb()] ?? ""));
    else if (id === SECTION.MEMORY) section.list(() => memories.push(section.memoryLimits()));
    else if (id === SECTION.EXPORT) section.list(() => exports.push(section.exportItem(functions)));
  }
  return { imports, exports, memories };
}

class Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  byte(): number {
    if (this.at >= this.end) throw refused(`ends at byte ${this.at}, in the middle of a section`);
    return this.bytes[this.at++]!;
  }

  /** An unsigned LEB128; beyond 2^53 it is inexact, which no bound of ours can tell. */
  leb(): number {
    let value = 0;
    for (let factor = 1, i = 0; i < 10; i++, factor *= 128) {
      const b = this.byte();
      value += (b & 0x7f) * factor;
      if (b < 0x80) return value;
    }
    throw refused(`malformed number at byte ${this.at}`);
  }

  slice(length: number): Cursor {
    const start = this.at;
    if (start + length > this.end) throw refused(`a section at byte ${start} reaches beyond the file`);
    this.at += length;
    return new Cursor(this.bytes, start, start + length);
  }

  list(read: () => unknown): void {
    for (let n = this.leb(); n > 0; n--) read();
  }

  name(): string {
    const { at, end } = this.slice(this.leb());
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, end - at).toString("utf8");
  }

  valueType(): string {
    const code = this.byte();
    const name = VALUE_TYPES[code];
    if (name === undefined) throw refused(`uses value type 0x${code.toString(16)}`);
    return name;
  }

  functionType(): string {
    const form = this.byte();
    if (form !== 0x60) throw refused(`uses type form 0x${form.toString(16)}`);
    const params: string[] = [];
    const results: string[] = [];
    this.list(() => params.push(this.valueType()));
    this.list(() => results.push(this.valueType()));
    return signatureText(params, results);
  }

  memoryLimits(): MemoryLimits {
    const flags = this.byte();
    const minPages = this.leb();
    const maxPages = (flags & 1) === 0 ? null : this.leb();
    return { minPages, maxPages, shared: (flags & 2) !== 0, address64: (flags & 4) !== 0 };
  }

  importItem(types: readonly string[]): OutlineItem {
    const module = this.name();
    const name = this.name();
    const kind = this.kind();
    let signature = "";
    if (kind === "function") signature = types[this.leb()] ?? "";
    else if (kind === "table") this.valueType();
    else if (kind === "global") this.valueType();
    if (kind === "table" || kind === "memory") this.memoryLimits();
    else if (kind === "global" || kind === "tag") this.byte();
    if (kind === "tag") this.leb();
    return { module, name, kind, signature };
  }

  exportItem(functions: readonly string[]): OutlineItem {
    const name = this.name();
    const kind = this.kind();
    const index = this.leb();
    return { module: "", name, kind, signature: kind === "function" ? (functions[index] ?? "") : "" };
  }

  kind(): ItemKind {
    const kind = ITEM_KINDS[this.byte()];
    if (kind === undefined) throw refused(`unknown kind of item at byte ${this.at}`);
    return kind;
  }
}

const refused = (why: string): ModuleRefusal => new ModuleRefusal("SP_MODULE_WASM", `module: ${why}`);
