/**
 * Compiles stock modules in a thread of its own, which ends when it is done: the compiler takes seconds at
 * first and keeps 200 MB, and the gateway starts meanwhile.
 */
import { parentPort, workerData } from "node:worker_threads";
import { toErrorRecord, type ErrorRecord } from "../../abi/index.ts";
import { compileModule } from "../compile/compile.ts";
import { stockModuleDir, type StockModule } from "../stock.ts";

export type BuildReply =
  | { readonly name: string; readonly wasm: Uint8Array; readonly sourceMap: string }
  | { readonly error: ErrorRecord };

try {
  for (const name of workerData as readonly StockModule[]) {
    // Not optimized: that takes three times as long, and two messages a second need none of it.
    const { wasm, sourceMap } = await compileModule({ projectDir: stockModuleDir(name), release: false });
    parentPort!.postMessage({ name, wasm, sourceMap } satisfies BuildReply);
  }
} catch (error) {
  parentPort!.postMessage({ error: toErrorRecord(error) } satisfies BuildReply);
}
