/**
 * When a module that ended is started again, and how long to wait first (contract §2.3). Pure.
 *
 * A fault that was pinned to one record is no business of the policy (J26, A4): that record is dead-lettered
 * and the module goes on at once, under every policy and uncounted. Only a flood of such faults is slowed
 * down, and even then the module never fails for it: one bad sensor must not stop a site.
 */

export const RESTART_POLICIES = ["never", "on-failure", "on-unhealthy", "always"] as const;
export type RestartPolicy = (typeof RESTART_POLICIES)[number];

/** How an incarnation ended: by itself without complaint, or with a fault that no single record explains. */
export type Ending = "clean" | "fault";

/** The documented meaning of the policies: `on-failure` and `on-unhealthy` leave a clean end alone. */
const RESTARTS: Readonly<Record<RestartPolicy, Readonly<Record<Ending, boolean>>>> = {
  never: { clean: false, fault: false },
  "on-failure": { clean: false, fault: true },
  "on-unhealthy": { clean: false, fault: true },
  always: { clean: true, fault: true },
};

export const restartsAfter = (policy: RestartPolicy, ending: Ending): boolean => RESTARTS[policy][ending];

export interface RestartSettings {
  /** Pause before the first counted restart; each further one doubles it. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** Counted restarts before a module is given up as failed. */
  readonly restartsMax: number;
  /** Running this long without an end clears the count. */
  readonly steadyMs: number;
  /** Faults pinned to a record within `poisonWindowMs` before the module is paused as unhealthy. */
  readonly poisonFaultsMax: number;
  readonly poisonWindowMs: number;
  readonly poisonPauseMs: number;
}

export const RESTART_DEFAULTS: RestartSettings = {
  backoffMs: 10_000,
  backoffMsMax: 300_000,
  restartsMax: 20,
  steadyMs: 600_000,
  poisonFaultsMax: 20,
  poisonWindowMs: 60_000,
  poisonPauseMs: 10_000,
};

/** The pause before the restart that follows `restarts` earlier ones: 10, 20, 40, ... 300 s by default. */
export const backoffDelayMs = (restarts: number, settings: RestartSettings): number =>
  Math.min(settings.backoffMs * 2 ** restarts, settings.backoffMsMax);

/**
 * Adds a pinned fault at `nowMs` (monotonic) to those remembered; at most `poisonFaultsMax` of them, and none
 * older than the window. `flood` = too many: the module is to pause, and the count begins anew.
 */
export function countPinnedFault(
  recentMs: readonly number[],
  nowMs: number,
  settings: RestartSettings,
): { readonly recentMs: readonly number[]; readonly flood: boolean } {
  const kept = [...recentMs.filter((at) => nowMs - at < settings.poisonWindowMs), nowMs];
  const flood = kept.length > settings.poisonFaultsMax;
  return { recentMs: flood ? [] : kept, flood };
}
