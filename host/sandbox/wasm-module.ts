/** From bytes to compiled code. The engine's words stay in `details`. */
import { ModuleRefusal } from "./errors.ts";

/** @throws {ModuleRefusal} SP_MODULE_WASM */
export function compileModule(wasm: Uint8Array): WebAssembly.Module {
  try {
    return new WebAssembly.Module(wasm);
  } catch (error) {
    throw new ModuleRefusal("SP_MODULE_WASM", "module: not a wasm binary that this engine accepts", {
      cause: error,
      details: { engine: error instanceof Error ? error.message : String(error) },
    });
  }
}
