/**
 * Does what a plan says, stage by stage. A module that does not come up is no failure here: its restart policy
 * sees to it, and the agent judges the whole when the plan is done.
 */
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Fleet } from "./fleet.ts";
import type { Command, Plan } from "./planner.ts";
import type { ResolvedModule } from "./resolve.ts";

/** Starts under way at once: workers that compete for two small cores would all miss their deadline. */
const STARTS_MAX = 4;

export async function runPlan(plan: Plan, fleet: Fleet): Promise<void> {
  for (const { commands } of plan) {
    const starting = new Set<Promise<void>>();
    for (const command of commands) {
      const supervisor = await perform(command, fleet);
      if (!supervisor) continue;
      const outcome = firstOutcome(supervisor, fleet).finally(() => starting.delete(outcome));
      starting.add(outcome);
      if (starting.size >= STARTS_MAX) await Promise.race(starting);
    }
    await Promise.all(starting);
  }
}

/** Returns the supervisor of a module that is now starting. */
async function perform(command: Command, fleet: Fleet): Promise<Supervisor | null> {
  if (command.type === "remove") {
    await fleet.remove(command.name);
    return null;
  }
  const { module } = command;
  switch (command.type) {
    case "create":
      return started(fleet.add(module), module);
    case "replace":
      await fleet.remove(module.desired.name);
      return started(fleet.add(module), module);
    case "adopt":
      fleet.adopt(module);
      return null;
    case "stop":
      await fleet.adopt(module).stop();
      return null;
    case "start":
      return started(fleet.adopt(module), module);
  }
}

function started(supervisor: Supervisor, { desired }: ResolvedModule): Supervisor | null {
  if (desired.status !== "running") return null;
  supervisor.start();
  return supervisor;
}

/** It runs, or its first start has failed. Bounded, because every start is. */
async function firstOutcome(supervisor: Supervisor, fleet: Fleet): Promise<void> {
  if (supervisor.status.status !== "starting") return;
  await new Promise<void>((resolve) => {
    const unwatch = fleet.watch(() => {
      if (supervisor.status.status === "starting") return;
      unwatch();
      resolve();
    });
  });
}
