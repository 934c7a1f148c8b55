/** A module as the command line lists it. */
import { runtimeStatusOf, type ModuleFacts, type RuntimeStatus } from "./reported.ts";
import type { ResolvedModule } from "./resolve.ts";

export interface ModuleView {
  readonly name: string;
  readonly status: RuntimeStatus;
  /** One line for people. */
  readonly description: string;
  readonly image: string;
  readonly version: string;
  /** Of the code that runs; `null` when there is none. */
  readonly digest: string | null;
  readonly restarts: number;
  readonly lastError: string | null;
  /** ISO 8601, UTC. */
  readonly startedAt: string | null;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export function viewModule(facts: ModuleFacts, resolved: ResolvedModule | null): ModuleView {
  const { desired, digest, status, failure } = facts;
  const fault = status?.lastFault;
  return {
    name: desired.name,
    status: runtimeStatusOf(facts),
    description: status?.description ?? failure ?? "",
    image: desired.image,
    version: desired.version,
    digest,
    restarts: status?.restarts ?? 0,
    lastError: fault ? `${fault.kind}: ${fault.message}` : failure,
    startedAt: status?.startedAtMs ? new Date(status.startedAtMs).toISOString() : null,
    inputs: resolved?.run.manifest.inputs ?? [],
    outputs: resolved?.run.manifest.outputs ?? [],
  };
}
