/**
 * The import object of one instance, made from the grants. Each import is judged again here, in the worker:
 * a spec that bypassed admission gains nothing.
 */
import { judgeImport, type Capability } from "../../abi/index.ts";
import { hostCalls, type HostState } from "./host-calls.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { judgeImports } from "./imports.ts";
import { runtimeImports } from "./runtime-imports.ts";
import type { WasiProvider } from "./wasi-provider.ts";

/** @throws {LinkRefusal} SP_MODULE_IMPORT_UNKNOWN, SP_MODULE_GRANT_MISSING */
export function linkImports(
  module: WebAssembly.Module,
  grants: readonly Capability[],
  host: HostState,
  memory: GuestMemory,
  wasi: WasiProvider | null,
): WebAssembly.Imports {
  const wanted = WebAssembly.Module.imports(module);
  judgeImports(wanted, grants);
  const offered = {
    host: hostCalls(host, memory),
    runtime: runtimeImports(host, memory, grants),
    wasi: wasi?.imports ?? {},
  };
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module: namespace, name } of wanted) {
    const { verdict } = judgeImport(namespace, name);
    if (verdict === "unknown") continue;
    (imports[namespace] ??= {})[name] = offered[verdict][name]!;
  }
  return imports;
}
