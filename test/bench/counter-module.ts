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
 *
 * @param paddingBytes in a custom section: an artifact as large as one with a language's runtime in it
 */
export async function buildCounter(folder: string, paddingBytes = 0): Promise<string> {
  compiled ??= compileModule({ source: SOURCE, name: "counter" });
  const { wasm } = await compiled;
  const file = join(folder, "counter.wasm");
  await writeFile(file, paddingBytes === 0 ? wasm : padded(wasm, paddingBytes));
  return file;
}

/** A custom section: id 0, the length of the rest, the length of its name, its name, anything. */
function padded(wasm: Uint8Array, bytes: number): Buffer {
  const name = Buffer.from("padding");
  const length = leb128(1 + name.length + bytes);
  return Buffer.concat([wasm, Buffer.from([0, ...length, name.length]), name, Buffer.alloc(bytes)]);
}

function leb128(number: number): number[] {
  const low = number & 0x7f;
  return number < 0x80 ? [low] : [low | 0x80, ...leb128(number >>> 7)];
}
