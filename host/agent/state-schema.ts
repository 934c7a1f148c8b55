/**
 * Code rolls back, state does not (J27, A19): a module's key-value image stays as the newer version wrote it.
 * So a version may follow another only if it can read that one's schema, forwards and backwards.
 */
import type { ModuleManifest } from "../../abi/index.ts";
import { AgentError } from "./errors.ts";
import type { ResolvedModule } from "./resolve.ts";

/** A manifest that declares no schema makes no promise, and is not held to one. */
export function canReadState(next: ModuleManifest, before: ModuleManifest): boolean {
  if (!next.state || !before.state) return true;
  return next.state.schema === before.state.schema || next.state.reads.includes(before.state.schema);
}

/** The first module of `next` that could not read what its predecessor in `before` has written, or `null`. */
export function stateRefusal(
  next: ReadonlyMap<string, ResolvedModule>,
  before: ReadonlyMap<string, ResolvedModule>,
): AgentError | null {
  for (const [name, { run }] of next) {
    const predecessor = before.get(name)?.run;
    if (!predecessor || canReadState(run.manifest, predecessor.manifest)) continue;
    const has = predecessor.manifest.state?.schema;
    const reads = [run.manifest.state?.schema, ...(run.manifest.state?.reads ?? [])].join(", ");
    return new AgentError(
      "SP_STATE_SCHEMA",
      `module "${name}": its stored state has schema ${has}, this version reads ${reads}`,
      {
        hint: "deploy a version that reads it, or give the module another name to begin with empty state",
        details: { module: name, schema: has },
      },
    );
  }
  return null;
}
