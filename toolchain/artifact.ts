/**
 * A module artifact, looked at from outside: what its manifest says, and whether a gateway would link it. The
 * judgement on imports is the linker's own, so a module that passes here does not fail there.
 */
import {
  ABI_MAJOR,
  ABI_MINOR,
  CAPABILITIES,
  GUEST_EXPORTS,
  MANIFEST_BYTES_MAX,
  MANIFEST_SECTION,
  MODULE_MANIFEST_SCHEMA,
  digestOf,
  isCompatible,
  judgeImport,
  type Capability,
  type ModuleManifest,
} from "../abi/index.ts";
import { memoryMaximum } from "./wasm-sections.ts";
import { ArtifactError } from "./errors.ts";

export interface Artifact {
  readonly digest: string;
  readonly bytes: number;
  readonly manifest: ModuleManifest;
  /** `namespace.name` of every import. */
  readonly imports: readonly string[];
}

/** @throws {ArtifactError} SP_ARTIFACT, naming what a gateway would refuse. */
export async function readArtifact(wasm: Uint8Array): Promise<Artifact> {
  const module = compiled(wasm);
  const imports = checkImports(module);
  checkExports(module);
  const manifest = await readManifest(module);
  if (!isCompatible(manifest.abi.major, manifest.abi.minor)) {
    throw refused(
      `built for ABI ${manifest.abi.major}.${manifest.abi.minor}, and this release has ${ABI_MAJOR}.${ABI_MINOR}`,
      "use a newer sandpiper, or build the module with this one",
    );
  }
  const undeclared = capabilitiesOf(wasm).filter((capability) => !manifest.capabilities.includes(capability));
  if (undeclared.length > 0) throw refused(`uses "${undeclared[0]}" and its manifest does not say so`);
  const maximum = memoryMaximum(wasm);
  if (maximum === null)
    throw refused("its memory has no maximum", "build it with a maximum, 16 MB for example");
  if (maximum > manifest.memory.maxBytes) {
    throw refused(`its memory may grow to ${maximum} bytes, its manifest says ${manifest.memory.maxBytes}`);
  }
  return { digest: digestOf(wasm), bytes: wasm.length, manifest, imports };
}

/** What the module's imports reach for, in the order of the table. */
export function capabilitiesOf(wasm: Uint8Array): Capability[] {
  const wanted = new Set(
    WebAssembly.Module.imports(compiled(wasm)).map(
      ({ module, name }) => judgeImport(module, name).capability,
    ),
  );
  return CAPABILITIES.filter((capability) => wanted.has(capability));
}

function compiled(wasm: Uint8Array): WebAssembly.Module {
  try {
    return new WebAssembly.Module(wasm);
  } catch (cause) {
    throw new ArtifactError("SP_ARTIFACT", "artifact: not a WebAssembly module", {
      cause,
      hint: "give the .wasm file that sandpiper build made",
    });
  }
}

/** What to use instead of imports that no gateway has. */
const INSTEAD: Readonly<Record<string, string>> = {
  "env.Date.now": 'use clock.now() of "@sandpiper/module"',
  "env.performance.now": 'use clock.monotonic() of "@sandpiper/module"',
  "env.console.error": 'use log.error() of "@sandpiper/module"',
  "env.console.warn": 'use log.warn() of "@sandpiper/module"',
  "env.console.info": 'use log.info() of "@sandpiper/module"',
  "env.console.debug": 'use log.debug() of "@sandpiper/module"',
  "env.process.exit": "a module does not exit: throw an error to give a message up",
};

function checkImports(module: WebAssembly.Module): string[] {
  return WebAssembly.Module.imports(module).map((wanted) => {
    const name = `${wanted.module}.${wanted.name}`;
    const isOffered =
      wanted.kind === "function" && judgeImport(wanted.module, wanted.name).verdict !== "unknown";
    if (!isOffered) {
      const hint = Object.hasOwn(INSTEAD, name) ? INSTEAD[name] : "abi/ABI.md lists what a gateway offers";
      throw refused(`imports "${name}", which no gateway offers`, hint);
    }
    return name;
  });
}

function checkExports(module: WebAssembly.Module): void {
  const found = WebAssembly.Module.exports(module);
  for (const { name, kind, required } of GUEST_EXPORTS) {
    const row = found.find((candidate) => candidate.name === name);
    if (row === undefined ? required : row.kind !== kind) {
      throw refused(`does not export the ${kind} "${name}"`, "abi/ABI.md lists what a module exports");
    }
  }
}

async function readManifest(module: WebAssembly.Module): Promise<ModuleManifest> {
  const sections = WebAssembly.Module.customSections(module, MANIFEST_SECTION);
  const [section] = sections;
  if (section === undefined || sections.length > 1) {
    throw refused(
      `has ${sections.length} sections "${MANIFEST_SECTION}", not one`,
      "build it with: sandpiper build",
    );
  }
  if (section.byteLength > MANIFEST_BYTES_MAX) throw refused("its manifest is larger than 64 KB");
  let manifest: unknown;
  try {
    manifest = JSON.parse(Buffer.from(section).toString("utf8"));
  } catch {
    throw refused("its manifest is not JSON");
  }
  const { Ajv } = await import("ajv");
  const isManifest = new Ajv().compile<ModuleManifest>(MODULE_MANIFEST_SCHEMA);
  if (isManifest(manifest)) return manifest;
  const fault = isManifest.errors?.[0];
  throw refused(
    `its manifest is malformed: ${fault?.instancePath || "it"} ${fault?.message ?? ""}`.trimEnd(),
  );
}

const refused = (why: string, hint?: string): ArtifactError =>
  new ArtifactError("SP_ARTIFACT", `artifact: ${why}`, hint === undefined ? {} : { hint });
