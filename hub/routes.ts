/**
 * The route table in force: compiled whole or refused whole, then switched as one step (J8, J28). It is a row
 * of the journal, so a hub that starts routes as it did before it stopped.
 */
import { fromErrorRecord, SandpiperError, toErrorRecord } from "../abi/index.ts";
import { UPSTREAM, type Endpoint } from "./endpoints/endpoint.ts";
import type { Engine } from "./engine.ts";
import type { RouteSpec, RouteTable } from "./face.ts";
import { TABLE } from "./journal/tables.ts";
import { compileRoute, type CompiledRoute } from "./router/compile.ts";
import { findCycles } from "./router/cycle.ts";
import { RouteCycleError } from "./router/errors.ts";
import { DEFAULT_PRIORITY, Router, type ActiveRoute } from "./router/router.ts";

const ROW = "table";
const MODULE_SOURCE = /^\/messages\/modules\/([^/]+)\//;

interface NamedRoute {
  readonly name: string;
  readonly spec: RouteSpec;
  readonly route: CompiledRoute;
}

export class Routes {
  readonly #engine: Engine;
  /** Endpoints that the table in force leads to. */
  #reached = new Set<string>();

  constructor(engine: Engine) {
    this.#engine = engine;
    const row = engine.journal.tables.get(TABLE.ROUTES, ROW);
    if (row === undefined) return;
    const table = JSON.parse(row.toString()) as RouteTable;
    this.#activate(compileTable(table), table);
  }

  /** Whether there has ever been a table. */
  get isSet(): boolean {
    return this.#engine.journal.tables.get(TABLE.ROUTES, ROW) !== undefined;
  }

  /**
   * Durable when it resolves. An endpoint that has no route left is deleted with what it holds; the event log
   * stays. @throws SP_ROUTE_SYNTAX, SP_ROUTE_CYCLE; then nothing has changed
   */
  async set(table: RouteTable): Promise<void> {
    const compiled = compileTable(table);
    refuseCycles(compiled);
    const before = this.#reached;
    this.#activate(compiled, table);
    for (const name of before) {
      if (this.#reached.has(name) || name === UPSTREAM) continue;
      this.#engine.metrics.dropped_with_endpoint += this.#engine.endpoints.remove(name);
    }
    this.#engine.journal.tables.put(TABLE.ROUTES, ROW, Buffer.from(JSON.stringify(table)));
    this.#engine.journal.step();
    this.#engine.stepped();
    await this.#engine.journal.durable();
  }

  #activate(compiled: readonly NamedRoute[], table: RouteTable): void {
    const active = compiled.map(({ spec, route }): ActiveRoute => {
      return {
        compiled: route,
        endpoint: this.#endpointOf(route),
        priority: spec.priority ?? DEFAULT_PRIORITY,
        timeToLiveMs: timeToLiveMs(spec, table),
      };
    });
    this.#reached = new Set(active.map(({ endpoint }) => endpoint.name));
    this.#engine.setRouter(new Router(active));
  }

  #endpointOf({ sink }: CompiledRoute): Endpoint {
    return this.#engine.endpoints.open(sink.kind === "upstream" ? UPSTREAM : `${sink.module}/${sink.input}`);
  }
}

/** A route's own time to live, else the table's; 0 or absent inherits, negative is for ever (contract §1.4). */
function timeToLiveMs(spec: RouteSpec, table: RouteTable): number {
  const secs =
    spec.timeToLiveSecs === undefined || spec.timeToLiveSecs === 0
      ? table.timeToLiveSecs
      : spec.timeToLiveSecs;
  return secs < 0 ? Infinity : secs * 1000;
}

function compileTable(table: RouteTable): NamedRoute[] {
  return Object.entries(table.routes).map(([name, spec]) => {
    try {
      return { name, spec, route: compileRoute(spec.route) };
    } catch (error) {
      throw named(name, error);
    }
  });
}

/** The same error, saying which route it is about. */
function named(name: string, error: unknown): SandpiperError {
  const record = toErrorRecord(error);
  return fromErrorRecord({
    ...record,
    message: `route "${name}": ${record.message}`,
    details: { ...record.details, route: name },
  });
}

/** Only modules that some route names as a source count as emitters: others may well have no outputs. */
function refuseCycles(compiled: readonly NamedRoute[]): void {
  const emitters = new Set<string>();
  for (const { route } of compiled) {
    const module = MODULE_SOURCE.exec(route.source.prefix)?.[1];
    if (module !== undefined) emitters.add(module);
  }
  const [cycle] = findCycles(compiled, emitters);
  if (cycle !== undefined) throw new RouteCycleError(cycle.modules, cycle.routes);
}
