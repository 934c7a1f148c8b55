/** Stock modules for the demo: built from source, signed with a key that is as short-lived as the demo. */
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { digestOf, encodeSignatureFile, fromErrorRecord, signDigest } from "../../abi/index.ts";
import type { StockModule } from "../stock.ts";
import type { BuildReply } from "./build-worker.ts";

export interface BuiltModule {
  readonly name: string;
  readonly wasm: Uint8Array;
  readonly sourceMap: string;
}

/** In a thread of its own, which `signal` ends. @throws what the compiler said */
export function buildStockModules(
  names: readonly StockModule[],
  signal: AbortSignal,
): Promise<readonly BuiltModule[]> {
  const built: BuiltModule[] = [];
  const worker = new Worker(new URL("./build-worker.js", import.meta.url), { workerData: names });
  return new Promise((resolve, reject) => {
    worker.on("message", (reply: BuildReply) => {
      if ("error" in reply) reject(fromErrorRecord(reply.error));
      else built.push(reply);
    });
    worker.on("error", reject);
    signal.addEventListener("abort", () => {
      reject(signal.reason as Error);
      void worker.terminate();
    });
    // After `reject`, this changes nothing.
    worker.on("exit", () => resolve(built));
  });
}

/** Writes `<name>.wasm`, its map and its signature into `dir`. Answers the public key to trust, PEM. */
export async function signAndWrite(dir: string, modules: readonly BuiltModule[]): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  for (const { name, wasm, sourceMap } of modules) {
    const digest = digestOf(wasm);
    const signatures = [signDigest(digest, privateKey)];
    await writeFile(join(dir, `${name}.wasm`), wasm);
    await writeFile(join(dir, `${name}.wasm.map`), sourceMap);
    await writeFile(join(dir, `${name}.wasm.sig`), encodeSignatureFile({ version: 1, digest, signatures }));
  }
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}
