/**
 * The routes in force: which endpoints a message of an origin may reach, and which of an endpoint's routes
 * decides. Candidates are chosen once per topic or output; conditions are evaluated per message, when it is
 * appended and never again (J29).
 */
import type { Lane } from "../journal/lane.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { CompiledRoute } from "./compile.ts";
import type { RouteMessage } from "./message.ts";

/** Priority of a route that names none: after all that do (contract §1.4). */
export const DEFAULT_PRIORITY = 10;

/** One route to an endpoint. */
export interface Option {
  /** `null` = always. */
  readonly condition: ((message: RouteMessage) => boolean) | null;
  readonly refuses: (message: RouteMessage) => boolean;
  readonly lane: Lane;
  /** Infinity = never expires. */
  readonly timeToLiveMs: number;
}

/** An endpoint that messages of some origin may reach, by whichever of its routes matches first. */
export interface Target {
  readonly endpoint: Endpoint;
  /** Most urgent first: a message reaches an endpoint at most once, by its best priority (contract §3.7). */
  readonly options: readonly Option[];
}

export interface ActiveRoute {
  readonly compiled: CompiledRoute;
  readonly endpoint: Endpoint;
  readonly priority: number;
  readonly timeToLiveMs: number;
}

export class Router {
  readonly #routes: readonly ActiveRoute[];

  constructor(routes: readonly ActiveRoute[]) {
    this.#routes = routes.toSorted((a, b) => a.priority - b.priority);
  }

  /** Routes that lead to an endpoint, most urgent first. */
  routesTo(endpoint: Endpoint): readonly ActiveRoute[] {
    return this.#routes.filter((route) => route.endpoint === endpoint);
  }

  /** Targets for messages whose path (contract §3.2) is `path`. */
  targets(path: string): readonly Target[] {
    const byEndpoint = new Map<Endpoint, Option[]>();
    for (const { compiled, endpoint, priority, timeToLiveMs } of this.#routes) {
      if (!compiled.source.matchesPath(path)) continue;
      const options = byEndpoint.get(endpoint) ?? [];
      const { condition, refuses } = compiled;
      options.push({ condition, refuses, lane: endpoint.lane(priority), timeToLiveMs });
      byEndpoint.set(endpoint, options);
    }
    return [...byEndpoint].map(([endpoint, options]) => ({ endpoint, options }));
  }
}

/** The route by which a message reaches a target, if any does. Conditions without an answer are counted (J29). */
export function choose(
  target: Target,
  message: RouteMessage,
  counters: { undecided: number },
): Option | null {
  for (const option of target.options) {
    if (option.condition === null || option.condition(message)) return option;
    if (!option.refuses(message)) counters.undecided++;
  }
  return null;
}
