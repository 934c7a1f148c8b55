/** The smallest binaries the engine compiles: a header and one custom section. They export nothing. */
import { MANIFEST_SECTION, type ModuleManifest } from "../../abi/index.ts";
import type { Admit } from "../../host/agent/index.ts";

const HEADER = Buffer.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);

function leb128(value: number): Buffer {
  const bytes: number[] = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return Buffer.from(bytes);
}

export function wasmWithSection(name: string, content: string): Uint8Array {
  const title = Buffer.from(name);
  const body = Buffer.concat([leb128(title.length), title, Buffer.from(content)]);
  return Buffer.concat([HEADER, Buffer.from([0x00]), leb128(body.length), body]);
}

export const moduleManifest = (parts: Partial<ModuleManifest> = {}): ModuleManifest => ({
  name: "thermo",
  version: "1.0.0",
  abi: { major: 1, minor: 0 },
  inputs: ["in"],
  outputs: ["out"],
  timers: [],
  capabilities: ["log", "kv"],
  memory: { maxBytes: 65_536 },
  ...parts,
});

/** Two with different manifests have different digests. */
export const moduleWasm = (parts: Partial<ModuleManifest> = {}): Uint8Array =>
  wasmWithSection(MANIFEST_SECTION, JSON.stringify(moduleManifest(parts)));

/** Admission that believes every manifest. Counts what it compiles. */
export function credulousAdmission(): { readonly admit: Admit; readonly compiled: string[] } {
  const compiled: string[] = [];
  const admit: Admit = (wasm, policy) => {
    const module = new WebAssembly.Module(wasm);
    const section = WebAssembly.Module.customSections(module, MANIFEST_SECTION)[0]!;
    const manifest = JSON.parse(Buffer.from(section).toString()) as ModuleManifest;
    compiled.push(`${manifest.name} ${manifest.version}`);
    return {
      module,
      manifest,
      grants: policy.grants.filter((grant) => manifest.capabilities.includes(grant)),
    };
  };
  return { admit, compiled };
}
