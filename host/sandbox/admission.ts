/**
 * Admission: whether a wasm binary may run here, decided from its bytes before any of it runs. What passes
 * links for sure; what does not is refused by name.
 */
import {
  ABI_MAJOR,
  ABI_MINOR,
  featuresOf,
  GUEST_EXPORTS,
  HOST_FUNCTIONS,
  IMPORT_NAMESPACE,
  isCompatible,
  MARKER_EXPORT,
  type Capability,
  type ModuleManifest,
} from "../../abi/index.ts";
import { ModuleRefusal } from "./errors.ts";
import { grantHint, judgeImports } from "./imports.ts";
import { decodeModuleManifest } from "./manifest.ts";
import { compileModule } from "./wasm-module.ts";
import { readOutline, signatureText, WASM_PAGE_BYTES, type WasmOutline } from "./wasm-sections.ts";

export interface Admitted {
  readonly module: WebAssembly.Module;
  readonly manifest: ModuleManifest;
  /** What the manifest asks for and the deployment grants: both, nothing more. */
  readonly grants: readonly Capability[];
}

export interface AdmissionPolicy {
  readonly grants: readonly Capability[];
  /** Most linear memory the module may declare, bytes. */
  readonly memoryBytesMax: number;
}

/** How the host calls a guest's exports; the marker is never called. */
const EXPORT_SIGNATURES: Readonly<Record<string, string>> = {
  sp_init: "(i32, i32) -> i32",
  sp_mailbox: "(i32) -> i32",
  sp_batch: "(i32, i32) -> i32",
  _initialize: "() -> ()",
};

const HINT_MEMORY =
  "build with a maximum memory (options.maximumMemory in asconfig.json), or raise createOptions.sandpiper.memoryBytesMax in the deployment";

/** @throws {ModuleRefusal} SP_MODULE_WASM, _MANIFEST, _ABI, _MEMORY, _IMPORT_UNKNOWN, _GRANT_MISSING */
export function admitModule(wasm: Uint8Array, policy: AdmissionPolicy): Admitted {
  const module = compileModule(wasm);
  const manifest = decodeModuleManifest(module);
  const outline = readOutline(wasm);
  const grants = policy.grants.filter((capability) => manifest.capabilities.includes(capability));
  checkAbi(manifest, outline);
  judgeImports(WebAssembly.Module.imports(module), grants, manifest.capabilities);
  checkFeatures(manifest, grants);
  checkSignatures(outline);
  checkMemory(outline, Math.min(policy.memoryBytesMax, manifest.memory.maxBytes));
  return { module, manifest, grants };
}

function checkAbi(manifest: ModuleManifest, outline: WasmOutline): void {
  const { major, minor } = manifest.abi;
  const offered = `ABI ${ABI_MAJOR}.${ABI_MINOR}`;
  if (!isCompatible(major, minor))
    throw abiRefusal(`module: built for ABI ${major}.${minor}, this host offers ${offered}`);
  const names = new Map(outline.exports.map((item) => [item.name, item]));
  if (!names.has(MARKER_EXPORT)) {
    const other = [...names.keys()].find((name) => /^sp_abi_v\d+$/.test(name));
    throw abiRefusal(`module: no export "${MARKER_EXPORT}"${other === undefined ? "" : `, but "${other}"`}`);
  }
  for (const { name, kind, required } of GUEST_EXPORTS) {
    const found = names.get(name);
    if (found === undefined && !required) continue;
    if (found?.kind !== kind)
      throw abiRefusal(`module: export "${name}" is ${found?.kind ?? "missing"}, expected a ${kind}`);
    const expected = EXPORT_SIGNATURES[name];
    if (expected !== undefined && found.signature !== expected)
      throw abiRefusal(`module: export "${name}" has type ${found.signature}, expected ${expected}`);
  }
}

/** What comes without an import, and would be missed by nobody but the module. */
function checkFeatures({ capabilities }: ModuleManifest, grants: readonly Capability[]): void {
  const missing = capabilities.find((capability) => isFeature(capability) && !grants.includes(capability));
  if (missing === undefined) return;
  throw new ModuleRefusal(
    "SP_MODULE_GRANT_MISSING",
    `module: needs the capability "${missing}", which is not granted`,
    { hint: grantHint(missing), details: { capability: missing } },
  );
}

const isFeature = (capability: Capability): boolean => featuresOf([capability]) !== 0;

/** The engine does not compare types against functions that are not wasm. */
function checkSignatures(outline: WasmOutline): void {
  for (const { module, name, signature } of outline.imports) {
    const row = module === IMPORT_NAMESPACE ? HOST_FUNCTIONS.find((fn) => fn.name === name) : undefined;
    if (row === undefined) continue;
    const params = row.params.map(([, type]) => type);
    const expected = signatureText(params, row.result === null ? [] : [row.result]);
    if (signature !== expected)
      throw abiRefusal(`module: import "${module}.${name}" has type ${signature}, expected ${expected}`);
  }
}

function checkMemory(outline: WasmOutline, bytesMax: number): void {
  const [memory, ...others] = outline.memories;
  const exported = outline.exports.filter((item) => item.kind === "memory");
  if (memory === undefined || others.length > 0 || exported.length !== 1) {
    const counts = `${outline.memories.length} memories, ${exported.length} exported`;
    throw memoryRefusal(`module: ${counts}, expected exactly one of its own, exported as "memory"`);
  }
  if (memory.shared) throw memoryRefusal("module: its memory is shared");
  if (memory.address64) throw memoryRefusal("module: its memory has 64-bit addresses");
  if (memory.maxPages === null)
    throw memoryRefusal(`module: its memory has no maximum, allowed are ${bytesMax} bytes`);
  const declared = memory.maxPages * WASM_PAGE_BYTES;
  if (declared > bytesMax)
    throw memoryRefusal(`module: its memory may grow to ${declared} bytes, allowed are ${bytesMax}`, {
      declared,
      allowed: bytesMax,
    });
}

const abiRefusal = (message: string): ModuleRefusal =>
  new ModuleRefusal("SP_MODULE_ABI", message, { hint: "rebuild the module with a matching SDK" });

const memoryRefusal = (message: string, details: Record<string, unknown> = {}): ModuleRefusal =>
  new ModuleRefusal("SP_MODULE_MEMORY", message, { hint: HINT_MEMORY, details });
