/**
 * Whether a module's imports are met: the verdict that admission gives before anything runs, and the linker
 * repeats in the worker. No defaults, no stubs.
 */
import { judgeImport, type Capability } from "../../abi/index.ts";
import { LinkRefusal } from "./errors.ts";
import { isWasiFunction } from "./wasi-guards.ts";

const HINT_IMPORT = "rebuild the module with `sandpiper build`, which links the host's functions only";

export interface ImportNeeds {
  /** The module needs a WASI provider. */
  readonly wasi: boolean;
}

/**
 * `asked`: what the module's manifest asks for, when known; it only makes the hint better.
 * @throws {LinkRefusal} SP_MODULE_IMPORT_UNKNOWN, SP_MODULE_GRANT_MISSING
 */
export function judgeImports(
  imports: readonly WebAssembly.ModuleImportDescriptor[],
  grants: readonly Capability[],
  asked?: readonly Capability[],
): ImportNeeds {
  let wasi = false;
  for (const { module, name, kind } of imports) {
    const { verdict, capability } = judgeImport(module, name);
    const details = { import: `${module}.${name}`, kind };
    if (kind !== "function")
      throw unknown(`module: import "${module}.${name}" is a ${kind}, not a function`, details);
    if (verdict === "unknown" || (verdict === "wasi" && !isWasiFunction(name)))
      throw unknown(`module: import "${module}.${name}" is unknown to this host`, details);
    if (capability !== null && !grants.includes(capability)) {
      const hint = asked?.includes(capability)
        ? grantHint(capability)
        : `ask for "${capability}" in the module's manifest`;
      throw new LinkRefusal(
        "SP_MODULE_GRANT_MISSING",
        `module: import "${module}.${name}" needs the capability "${capability}", which is not granted`,
        { hint, details: { ...details, capability } },
      );
    }
    wasi ||= verdict === "wasi";
  }
  return { wasi };
}

export const grantHint = (capability: Capability): string =>
  `add "${capability}" to createOptions.sandpiper.grants of the module in the deployment`;

const unknown = (message: string, details: Record<string, unknown>): LinkRefusal =>
  new LinkRefusal("SP_MODULE_IMPORT_UNKNOWN", message, { hint: HINT_IMPORT, details });
