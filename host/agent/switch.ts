/**
 * From one deployment to the next, and back when the next does not become healthy. Everything that can be
 * refused was refused before: here modules stop and start.
 */
import type { Hub } from "../../hub/face.ts";
import type { Clock } from "../supervisor/clock.ts";
import type { Log } from "../supervisor/log.ts";
import type { Fleet } from "./fleet.ts";
import { awaitHealth, type HealthSettings } from "./health.ts";
import { makePlan, startedBy } from "./planner.ts";
import { runPlan } from "./plan-runner.ts";
import type { ResolvedDeployment } from "./resolve.ts";
import { stateRefusal } from "./state-schema.ts";

export interface SwitchContext {
  readonly hub: Pick<Hub, "setRoutes" | "setModuleTwins">;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Log;
  readonly health: HealthSettings;
  /** Aborts the wait for health. */
  readonly signal: AbortSignal;
}

export type SwitchResult =
  { readonly result: "healthy" | "interrupted" } | ({ readonly result: "unhealthy" } & RolledBack);

interface RolledBack {
  readonly why: string;
  /** The deployment that runs again; `null` = the new one was left running, `why` says why. */
  readonly back: ResolvedDeployment | null;
  /** Its routes are in force, too. */
  readonly hasRoutes: boolean;
}

/** The routes of `next` are in force already. `lastGood` is where an unhealthy deployment goes back to. */
export async function switchTo(
  next: ResolvedDeployment,
  lastGood: ResolvedDeployment | null,
  context: SwitchContext,
): Promise<SwitchResult> {
  const { fleet, clock, health, signal } = context;
  const plan = makePlan(next.modules, fleet.resolved);
  await runPlan(plan, fleet);
  const judged = await awaitHealth(startedBy(plan), fleet, clock, health, signal);
  if (judged.verdict !== "unhealthy") return { result: judged.verdict };
  return { result: "unhealthy", ...(await rollBack(next, lastGood, judged.why, context)) };
}

async function rollBack(
  next: ResolvedDeployment,
  lastGood: ResolvedDeployment | null,
  why: string,
  { hub, fleet, log }: SwitchContext,
): Promise<RolledBack> {
  const stays = (because: string): RolledBack => ({
    why: `${why}; ${because}`,
    back: null,
    hasRoutes: false,
  });
  if (!lastGood) return stays("there is no earlier deployment to go back to");
  const refusal = stateRefusal(lastGood.modules, next.modules);
  if (refusal) return stays(`not rolled back: ${refusal.message}`);
  log.warn({ from: next.version, to: lastGood.version, why }, "deployment is not healthy, rolling back");
  // Modules first even if the hub cannot take the routes now: the old code with the new routes is still
  // nearer to what was good than the new code with them.
  const routes = await hub.setRoutes(lastGood.deployment.routes).then(
    () => "",
    (error: Error) => `; its routes could not be restored: ${error.message}`,
  );
  const twins = await hub.setModuleTwins(twinsBefore(next, lastGood)).then(
    () => "",
    (error: Error) => `; its module twins could not be restored: ${error.message}`,
  );
  await runPlan(makePlan(lastGood.modules, fleet.resolved), fleet);
  return {
    why: `rolled back to deployment ${lastGood.version}: ${why}${routes}${twins}`,
    back: lastGood,
    hasRoutes: routes === "",
  };
}

/** Desired properties of the modules whose twins `next` has written, as they were. */
function twinsBefore(next: ResolvedDeployment, lastGood: ResolvedDeployment): Record<string, unknown> {
  const written = [...next.deployment.configs.keys()];
  return Object.fromEntries(
    written.flatMap((name) => {
      const config = lastGood.configs.get(name);
      return config === undefined ? [] : [[name, config.value] as const];
    }),
  );
}
