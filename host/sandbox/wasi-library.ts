/**
 * The WASI library, loaded only for modules that import WASI. It ships its wasm inside its JavaScript as
 * base64, and its own `init()` drags an HTTP client into every worker: so the wasm is taken out and compiled
 * once per process, and each worker gets the compiled module.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { MemFS, WASI } from "@wasmer/wasi";

const PACKAGE = "@wasmer/wasi";
const WASM_URL_PREFIX = "data:application/wasm;base64,";

const require = createRequire(import.meta.url);

export interface WasiLibrary {
  readonly WASI: typeof WASI;
  readonly MemFS: typeof MemFS;
}

interface WasiPackage extends WasiLibrary {
  initSync(module: WebAssembly.Module): unknown;
}

let compiled: WebAssembly.Module | undefined;
let loaded: WasiLibrary | undefined;

/** Compiled once per process and kept: workers that restart share its warm code. */
export function compileWasiLibrary(): WebAssembly.Module {
  if (compiled !== undefined) return compiled;
  const source = readFileSync(require.resolve(PACKAGE), "latin1");
  const prefix = source.indexOf(WASM_URL_PREFIX);
  const start = prefix + WASM_URL_PREFIX.length;
  const length = /[^A-Za-z0-9+/=]/.exec(source.slice(start))?.index ?? 0;
  if (prefix < 0 || length === 0)
    throw new Error(`${PACKAGE}: its wasm is not where this version expects it`);
  compiled = new WebAssembly.Module(Buffer.from(source.slice(start, start + length), "base64"));
  return compiled;
}

/** Once per thread: the library keeps its instance in a module variable. */
export function loadWasiLibrary(module: WebAssembly.Module): WasiLibrary {
  if (loaded === undefined) {
    const library = require(PACKAGE) as WasiPackage;
    library.initSync(module);
    loaded = library;
  }
  return loaded;
}
