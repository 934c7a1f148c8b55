/**
 * Routes that are well-formed and lead from or to nothing: a misspelt port is accepted by everybody and found
 * when messages have expired in front of it. Warned of, not refused: a module may also connect by itself.
 */
import type { ModuleManifest } from "../../abi/index.ts";
import { parseRoute, type RouteTable } from "../../hub/index.ts";

type Ports = Pick<ModuleManifest, "inputs" | "outputs">;

/** `/messages/modules/<module>/outputs/<output>`, as far as a wildcard leaves it open. */
const SOURCE = /^\/messages\/modules\/([^/*]+)(?:\/outputs\/([^/*]+))?/i;

/** One line each. What cannot be parsed is the hub's to refuse. */
export function routeWarnings(routes: RouteTable["routes"], modules: ReadonlyMap<string, Ports>): string[] {
  return Object.entries(routes).flatMap(([name, { route }]) => {
    const ends = endsOf(route);
    return ends === null ? [] : warningsOf(ends, modules).map((warning) => `route "${name}": ${warning}`);
  });
}

function endsOf(route: string): ReturnType<typeof parseRoute> | null {
  try {
    return parseRoute(route);
  } catch {
    return null;
  }
}

function warningsOf(
  { source, sink }: ReturnType<typeof parseRoute>,
  modules: ReadonlyMap<string, Ports>,
): string[] {
  const warnings: string[] = [];
  const [, from, output] = SOURCE.exec(source) ?? [];
  if (from !== undefined) {
    // Sources are compared without regard to case, sinks are names.
    const found = [...modules].find(([name]) => isSame(name, from))?.[1];
    if (found === undefined) warnings.push(absent(from));
    else if (output !== undefined && !found.outputs.some((known) => isSame(known, output)))
      warnings.push(missing(from, "output", output, found.outputs));
  }
  if (sink.kind === "module") {
    const found = modules.get(sink.module);
    if (found === undefined) warnings.push(absent(sink.module));
    else if (!found.inputs.includes(sink.input))
      warnings.push(missing(sink.module, "input", sink.input, found.inputs));
  }
  return warnings;
}

const isSame = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const absent = (module: string): string =>
  `module "${module}" is not in this deployment, which is right only if it connects by itself`;

const missing = (module: string, kind: "input" | "output", port: string, known: readonly string[]): string =>
  `module "${module}" has no ${kind} "${port}"; it has ${known.length === 0 ? "none" : known.join(", ")}`;
