/**
 * Whether what a deployment started stays up. A module is healthy when it has run for a while without
 * interruption, or has done its work and ended cleanly; judged only are modules that the deployment started,
 * so that it is not blamed for what was broken before.
 */
import type { Clock } from "../supervisor/clock.ts";
import type { ModuleStatus } from "../supervisor/supervisor.ts";
import type { Fleet } from "./fleet.ts";

export interface HealthSettings {
  /** After the switch; then the deployment is rolled back. */
  readonly healthyWithinMs: number;
  /** How long a module must run without interruption. */
  readonly healthyForMs: number;
}

export const HEALTH_DEFAULTS: HealthSettings = { healthyWithinMs: 30_000, healthyForMs: 3_000 };

export type Verdict =
  { readonly verdict: "healthy" | "interrupted" } | { readonly verdict: "unhealthy"; readonly why: string };

/** `failed` is final; everything else may still come right within the window. */
export type ModuleHealth = "healthy" | "unhealthy" | { readonly waitMs: number | null };

export function judge(status: ModuleStatus, healthyForMs: number): ModuleHealth {
  switch (status.status) {
    case "failed":
      return "unhealthy";
    case "exited":
    case "stopped":
      return "healthy";
    case "running": {
      const left = healthyForMs - (status.runningForMs ?? 0);
      return left <= 0 ? "healthy" : { waitMs: left };
    }
    default:
      return { waitMs: null };
  }
}

/** `signal` interrupts the wait: the gateway stops, and nothing is decided. */
export async function awaitHealth(
  names: readonly string[],
  fleet: Fleet,
  clock: Clock,
  settings: HealthSettings,
  signal: AbortSignal,
): Promise<Verdict> {
  const endMs = clock.monotonicMs() + settings.healthyWithinMs;
  for (;;) {
    if (signal.aborted) return { verdict: "interrupted" };
    const judged = names.map((name) => ({ name, health: judge(fleet.status(name), settings.healthyForMs) }));
    const open = judged.filter(({ health }) => health !== "healthy");
    if (open.length === 0) return { verdict: "healthy" };
    const leftMs = endMs - clock.monotonicMs();
    const failed = open.filter(({ health }) => health === "unhealthy");
    if (failed.length > 0) return unhealthy(failed, fleet);
    if (leftMs <= 0) return unhealthy(open, fleet);
    const waits = open.flatMap(({ health }) =>
      typeof health === "object" && health.waitMs !== null ? [health.waitMs] : [],
    );
    await nextEvent(fleet, clock, Math.min(leftMs, ...waits), signal);
  }
}

function unhealthy(open: readonly { readonly name: string }[], fleet: Fleet): Verdict {
  const why = open.map(({ name }) => {
    const { status, description } = fleet.status(name);
    return `module "${name}" is ${status}${description === status ? "" : `: ${description}`}`;
  });
  return { verdict: "unhealthy", why: why.join("; ") };
}

async function nextEvent(fleet: Fleet, clock: Clock, waitMs: number, signal: AbortSignal): Promise<void> {
  let release = (): void => {};
  await new Promise<void>((resolve) => {
    const onAbort = (): void => resolve();
    const cancel = clock.after(waitMs, resolve);
    const unwatch = fleet.watch(resolve);
    signal.addEventListener("abort", onAbort);
    release = () => {
      cancel();
      unwatch();
      signal.removeEventListener("abort", onAbort);
    };
  });
  release();
}
