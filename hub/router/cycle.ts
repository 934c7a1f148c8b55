/**
 * Cycles of modules in the graph of routes: an edge leads from a module whose messages a route takes to the
 * module it feeds. Only certain edges count, because a cycle is refused (J22) and a good deployment must not be:
 *
 * - a source that names a module is an edge from it, whatever the condition, which may but need not end the circle;
 * - `/messages/modules/*` is an edge from every module that can emit, unless a condition narrows it;
 * - a wider source, such as `/messages/*`, is meant for devices and is no edge.
 *
 * What this lets pass is stopped by the hop limit of the frame.
 */
import type { CompiledRoute } from "./compile.ts";

export interface NamedRoute {
  readonly name: string;
  readonly route: CompiledRoute;
}

export interface RouteCycle {
  /** In the order messages pass them; the last feeds the first. */
  readonly modules: readonly string[];
  /** The routes between them: the first leads from the first module to the second. */
  readonly routes: readonly string[];
}

interface Edge {
  readonly to: string;
  readonly route: string;
}

const MODULES = "/messages/modules/";

/**
 * One shortest cycle for each module that lies on one and is not part of a cycle found before.
 *
 * @param emitters modules that can emit; one that is known to have no outputs does not belong here
 */
export function findCycles(
  routes: readonly NamedRoute[],
  emitters: ReadonlySet<string>,
): readonly RouteCycle[] {
  const names = new Map([...emitters].map((name) => [name.toLowerCase(), name]));
  const edges = edgesOf(routes, names);
  const found: RouteCycle[] = [];
  const seen = new Set<string>();
  for (const module of names.keys()) {
    if (seen.has(module)) continue;
    const path = shortestCycle(module, edges);
    if (path === null) continue;
    // The cycle's edges end in its modules, the first of them last.
    const modules = [module, ...path.slice(0, -1).map((edge) => edge.to)];
    for (const member of modules) seen.add(member);
    found.push({ modules: modules.map((key) => names.get(key)!), routes: path.map((edge) => edge.route) });
  }
  return found;
}

/** By lower-case name, since sources are compared that way. */
function edgesOf(
  routes: readonly NamedRoute[],
  names: ReadonlyMap<string, string>,
): ReadonlyMap<string, readonly Edge[]> {
  const edges = new Map<string, Edge[]>();
  for (const { name, route } of routes) {
    if (route.sink.kind !== "module") continue;
    const to = route.sink.module.toLowerCase();
    if (!names.has(to)) continue;
    for (const from of sourcesOf(route, names)) {
      const list = edges.get(from) ?? [];
      list.push({ to, route: name });
      edges.set(from, list);
    }
  }
  return edges;
}

function sourcesOf(route: CompiledRoute, names: ReadonlyMap<string, string>): Iterable<string> {
  const { prefix } = route.source;
  if (prefix === MODULES) return route.condition === null ? names.keys() : [];
  if (!prefix.startsWith(MODULES)) return [];
  const named = prefix.slice(MODULES.length).split("/")[0]!;
  return names.has(named) ? [named] : [];
}

/** Breadth first from `start` back to it; the edges on the way. */
function shortestCycle(start: string, edges: ReadonlyMap<string, readonly Edge[]>): readonly Edge[] | null {
  const reachedBy = new Map<string, { readonly from: string; readonly edge: Edge }>();
  const queue = [start];
  for (const from of queue) {
    for (const edge of edges.get(from) ?? []) {
      if (reachedBy.has(edge.to)) continue;
      reachedBy.set(edge.to, { from, edge });
      if (edge.to !== start) queue.push(edge.to);
      else return pathBack(start, reachedBy);
    }
  }
  return null;
}

function pathBack(
  start: string,
  reachedBy: ReadonlyMap<string, { readonly from: string; readonly edge: Edge }>,
): readonly Edge[] {
  const path: Edge[] = [];
  let at = start;
  do {
    const step = reachedBy.get(at)!;
    path.unshift(step.edge);
    at = step.from;
  } while (at !== start);
  return path;
}
