/**
 * The module of the chaos runs: one artifact, of which each instance has another role by the input that routes
 * lead to it. What it counts it keeps in its key-value space, by device.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compileModule, type CompiledModule } from "../../toolchain/index.ts";

const SOURCE = `import { Message, emit, kv } from "@sandpiper/module";

function counted(message: Message): i64 {
  const device = message.property("device");
  if (device === null) throw new Error("a message without a device");
  const count = kv.getI64(device) + 1;
  kv.putI64(device, count);
  return count;
}

@input("count")
export function onCount(message: Message): void {
  counted(message);
  message.forward("out");
}

@input("fan")
export function onFan(message: Message): void {
  message.forward("left");
  message.forward("right");
  counted(message);
}

@input("rebuild")
export function onRebuild(message: Message): void {
  const text = message.text();
  const count = counted(message);
  emit("rebuilt", Uint8Array.wrap(String.UTF8.encode(text + "#" + count.toString())));
}

@input("link")
export function onLink(message: Message): void {
  message.forward("on");
  counted(message);
}

@input("picky")
export function onPicky(message: Message): void {
  counted(message);
  message.forward("picked");
  if (message.property("poison") !== null) throw new Error("poison");
}
`;

/** Compiled once in a process, and not optimised: that would take the compiler seconds. */
let compiled: Promise<CompiledModule> | undefined;

/** Writes the artifact into `folder`; returns its path. */
export async function writeArtifact(folder: string): Promise<string> {
  compiled ??= compileModule({ source: SOURCE, name: "chaos", release: false });
  const { wasm } = await compiled;
  const file = join(folder, "chaos.wasm");
  await writeFile(file, wasm);
  return file;
}
