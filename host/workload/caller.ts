/** Whom a socket of the workload API speaks for. What it is asked about anybody else, it refuses. */
import type { Identity } from "../../hub/index.ts";
import { RequestError } from "../http/server.ts";
import type { WorkloadBackend } from "./backend.ts";

export interface Caller {
  /** Of the gateway's modules. */
  readonly modules: ReadonlySet<string>;
  /** Of the module that a socket was made for; `null`: whichever there is. */
  readonly generationId: string | null;
}

export type CallerIdentity = Identity & { readonly moduleId: string };

/**
 * The module that a request is about, as it is now: nothing is signed for one that is gone, disabled or made anew.
 * @throws {RequestError}
 */
export async function callerIn(
  { moduleId, generationId }: Readonly<Record<string, string>>,
  caller: Caller,
  backend: WorkloadBackend,
): Promise<CallerIdentity> {
  if (moduleId === undefined || !caller.modules.has(moduleId)) {
    throw new RequestError(403, `module "${moduleId}" is not the one that asks`);
  }
  const identity = await backend.identity(moduleId);
  const isCurrent = [generationId, caller.generationId].every(
    (wanted) => (wanted ?? identity?.generationId) === identity?.generationId,
  );
  if (identity?.enabled !== true || !isCurrent) {
    throw new RequestError(404, `module "${moduleId}" of this generation does not exist, or is disabled`);
  }
  return { ...identity, moduleId };
}
