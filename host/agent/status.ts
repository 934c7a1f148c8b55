/** What came of a deployment: the contract's `lastDesiredStatus`, and what people and programs want beside it. */
import { SandpiperError, toErrorRecord, type ErrorRecord } from "../../abi/index.ts";
import { AgentError, DeploymentError } from "./errors.ts";
import type { ResolvedDeployment } from "./resolve.ts";

export interface DeploymentStatus {
  /** `lastDesiredVersion` that this is about. */
  readonly version: number;
  /** 200 done; 400, 412, 417 refused as it is written; 500 could not be brought about, or was rolled back. */
  readonly code: number;
  readonly description: string;
  /** What was accepted and has no effect, and what was lost on the way. */
  readonly warnings: readonly string[];
  /** Why nothing was changed. */
  readonly error?: ErrorRecord;
  /** Version of the deployment that runs again, after a roll-back. */
  readonly rolledBackTo: number | null;
}

const NAMED_MAX = 8;

export const statusOf = (
  version: number,
  code: number,
  description: string,
  more: Partial<Pick<DeploymentStatus, "warnings" | "rolledBackTo">> = {},
): DeploymentStatus => ({ version, code, description, warnings: [], rolledBackTo: null, ...more });

/** A deployment that changed nothing. */
export function refusalOf(version: number, error: unknown): DeploymentStatus {
  const record = toErrorRecord(error);
  return { ...statusOf(version, codeOf(error), record.message), error: record };
}

/** Routes are part of what is written, though the hub is who reads them. */
function codeOf(error: unknown): number {
  if (error instanceof DeploymentError) return error.status;
  return error instanceof SandpiperError && error.code.startsWith("SP_ROUTE_") ? 400 : 500;
}

/** One error for all modules that could not be made ready: the first's code and hint, the messages of all. */
export function combinedFailure({ failures }: ResolvedDeployment): SandpiperError | null {
  const [first, ...others] = failures.values();
  if (!first || others.length === 0) return first ?? null;
  const messages = [first, ...others].slice(0, NAMED_MAX).map(({ message }) => message);
  const more = others.length >= NAMED_MAX ? [`${others.length + 1 - NAMED_MAX} more`] : [];
  return new AgentError(first.code, [...messages, ...more].join("; "), {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    details: { modules: [...failures.keys()] },
    cause: first,
  });
}
