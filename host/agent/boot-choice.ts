/** What to run at boot, decided from the two files alone. Pure. */
import type { DeploymentRecord, DesiredRecord, Loaded } from "./deployment-files.ts";

/** A deployment that was under way this often when the gateway went down is not tried again: it may be why. */
export const APPLY_ATTEMPTS_MAX = 2;

export interface BootChoice {
  /** Runs at once, without being judged. */
  readonly start: DeploymentRecord | null;
  /** Was under way when the gateway went down: applied again, as an operator would. */
  readonly resume: DesiredRecord | null;
  /** What an operator must hear of. */
  readonly problems: readonly string[];
}

export function chooseBoot(desired: Loaded<DesiredRecord>, lastGood: Loaded<DeploymentRecord>): BootChoice {
  const problems = [desired.damaged, lastGood.damaged]
    .filter((why) => why !== null)
    .map((why) => `deployment file ${why}`);
  const wanted = desired.record;
  const start = lastGood.record ?? (wanted?.outcome?.runs ? wanted : null);
  if (!wanted || wanted.outcome || wanted.version <= (lastGood.record?.version ?? -1)) {
    return { start, resume: null, problems };
  }
  if (wanted.attempts >= APPLY_ATTEMPTS_MAX) {
    const why = `deployment ${wanted.version}: the gateway went down ${wanted.attempts} times while it was applied`;
    return { start, resume: null, problems: [...problems, why] };
  }
  return { start, resume: wanted, problems };
}
