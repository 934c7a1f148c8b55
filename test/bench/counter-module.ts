/** The module of the measurements, as an author would write it. A body of fewer than 16 bytes is poison to it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compileModule, type CompiledModule } from "../../toolchain/index.ts";

const SOURCE = `import { Message, kv } from "@sandpiper/module";

@input("in")
export function onMessage(message: Message): void {
  if (message.bodyLength < 16) throw new Error("poison");
  const source = message.source;
  kv.putI64(source, kv.getI64(source) + 1);
  message.forward("out");
}
`;

/** The same for every server of a run. */
let compiled: Promise<CompiledModule> | undefined;

/**
 * Writes the artifact into `folder`. It is compiled once, and here: a compiler has no place in a process whose memory
 * is measured.
 */
export async function buildCounter(folder: string): Promise<string> {
  compiled ??= compileModule({ source: SOURCE, name: "counter" });
  const { wasm } = await compiled;
  const file = join(folder, "counter.wasm");
  await writeFile(file, wasm);
  return file;
}
