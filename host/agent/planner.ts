/**
 * The difference between what is wanted and what is there, as commands. Pure.
 *
 * IoT Edge recreates a module for any difference but its status (contract §1.3). Here a change that the running
 * code cannot notice is made in place: restart policy, startup order, pull policy, and another name for the
 * same bytes; so is one that it is told of, its configuration when it follows its twin. `version` is free text that people change in order to have a module recreated, so it does that.
 */
import { isDeepStrictEqual } from "node:util";
import type { ResolvedModule } from "./resolve.ts";

export type Command =
  | { readonly type: "remove"; readonly name: string }
  /** `create`, `replace`: started when wanted running. `adopt`, `start`, `stop`: settings taken over in place. */
  | {
      readonly type: "create" | "replace" | "adopt" | "start" | "stop";
      readonly module: ResolvedModule;
    };

/** The commands for one value of `startupOrder`. */
export interface Stage {
  readonly startupOrder: number;
  readonly commands: readonly Command[];
}

/** Stages in order: what starts in one is up, or has failed to come up, before the next begins. */
export type Plan = readonly Stage[];

type Modules = ReadonlyMap<string, ResolvedModule>;

const RANK: Readonly<Record<Command["type"], number>> = {
  remove: 0,
  create: 1,
  replace: 2,
  adopt: 3,
  stop: 4,
  start: 4,
};

export function makePlan(desired: Modules, actual: Modules): Plan {
  const stages = new Map<number, Command[]>();
  const add = (startupOrder: number, commands: readonly Command[]): void => {
    if (commands.length === 0) return;
    stages.set(startupOrder, [...(stages.get(startupOrder) ?? []), ...commands]);
  };
  for (const [name, module] of actual) {
    if (!desired.has(name)) add(module.desired.startupOrder, [{ type: "remove", name }]);
  }
  for (const [name, module] of desired) {
    add(module.desired.startupOrder, commandsFor(module, actual.get(name)));
  }
  return [...stages]
    .toSorted(([a], [b]) => a - b)
    .map(([startupOrder, commands]) => ({
      startupOrder,
      commands: commands.toSorted((a, b) => RANK[a.type] - RANK[b.type]),
    }));
}

function commandsFor(module: ResolvedModule, before: ResolvedModule | undefined): Command[] {
  if (!before) return [{ type: "create", module }];
  if (!runsTheSame(module, before)) return [{ type: "replace", module }];
  const isConfigured = isDeepStrictEqual(module.run.config, before.run.config);
  if (isConfigured && isDeepStrictEqual(module.desired, before.desired)) return [];
  const { status } = module.desired;
  if (status === before.desired.status) return [{ type: "adopt", module }];
  return [{ type: status === "running" ? "start" : "stop", module }];
}

/** Whether everything that an incarnation is made of is equal. */
function runsTheSame(a: ResolvedModule, b: ResolvedModule): boolean {
  return (
    a.run.digest === b.run.digest &&
    a.desired.version === b.desired.version &&
    isDeepStrictEqual(a.run.limits, b.run.limits) &&
    isDeepStrictEqual(a.run.grants, b.run.grants) &&
    isDeepStrictEqual(a.run.env, b.run.env) &&
    (followsTwin(a) || isDeepStrictEqual(a.run.config, b.run.config))
  );
}

/** The hub tells the module of changes, and gives it all of its configuration when it starts. */
const followsTwin = ({ run }: ResolvedModule): boolean => run.grants.includes("twin");

/** Modules that `plan` starts, anew or again. */
export const startedBy = (plan: Plan): readonly string[] =>
  plan
    .flatMap(({ commands }) => commands)
    .filter((command) => command.type !== "remove")
    .filter(({ type, module }) => type !== "adopt" && module.desired.status === "running")
    .map(({ module }) => module.desired.name);
