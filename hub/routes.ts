/**
 * The route table in force: compiled whole or refused whole, then switched as one step (J8, J28). It is a row
 * of the journal, so a hub that starts routes as it did before it stopped.
 */
import { fromErrorRecord, SandpiperError, toErrorRecord } from "../abi/index.ts";
import { UPSTREAM, type Endpoint } from "./endpoints/endpoint.ts";
import type { Engine } from "./engine.ts";
import type { DroppedQueue, RouteSpec, RouteTable } from "./face.ts";
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
   * Durable when it resolves. What an endpoint without a route holds stays until `settle`.
   * @throws SP_ROUTE_SYNTAX, SP_ROUTE_CYCLE; then nothing has changed
   */
  async set(table: RouteTable): Promise<void> {
    const compiled = compileTable(table);
    this.#refuseCycles(compiled, table);
    this.#activate(compiled, table);
    this.#engine.journal.tables.put(TABLE.ROUTES, ROW, Buffer.from(JSON.stringify(table)));
    this.#engine.journal.step();
    this.#engine.stepped();
    this.#engine.roomChanged();
    await this.#engine.journal.durable();
  }

  /**
   * The table in force is there to stay: endpoints that it does not reach are deleted, as one step (J28). Logs
   * stay, since what is in them is a record. Returns what was lost; durable when it resolves.
   */
  async settle(): Promise<readonly DroppedQueue[]> {
    const { endpoints, metrics, journal } = this.#engine;
    const gone = [...endpoints.all()].filter(
      ({ kind, routed, consumer, length }) =>
        kind === "input" && routed.size === 0 && (length > 0 || consumer === null),
    );
    const dropped = gone.map((endpoint) => endpoints.remove(endpoint)).filter(({ messages }) => messages > 0);
    for (const { messages, bytes } of dropped) {
      metrics.dropped_with_endpoint += messages;
      metrics.dropped_with_endpoint_bytes += bytes;
    }
    this.#engine.roomChanged();
    await journal.durable();
    return dropped;
  }

  #activate(compiled: readonly NamedRoute[], table: RouteTable): void {
    const { endpoints } = this.#engine;
    const active = compiled.map(({ spec, route }): ActiveRoute => {
      return {
        compiled: route,
        endpoint: this.#endpointOf(route),
        priority: spec.priority ?? DEFAULT_PRIORITY,
        timeToLiveMs: timeToLiveMs(spec, table),
      };
    });
    for (const endpoint of endpoints.all()) {
      const leadingHere = active.filter((route) => route.endpoint === endpoint);
      endpoint.routed = new Set(leadingHere.map(({ priority }) => priority));
    }
    endpoints.setPolicies(new Map(Object.entries(table.queues ?? {})));
    this.#engine.setRouter(new Router(active));
    this.#engine.boundStore(table.storeBytesMax ?? Infinity);
  }

  #endpointOf(route: CompiledRoute): Endpoint {
    return this.#engine.endpoints.open(nameOf(route));
  }

  /** Only modules that some route names as a source count as emitters: others may well have no outputs. */
  #refuseCycles(compiled: readonly NamedRoute[], { queues = {} }: RouteTable): void {
    const emitters = new Set<string>();
    for (const { route } of compiled) {
      const module = MODULE_SOURCE.exec(route.source.prefix)?.[1];
      if (module !== undefined) emitters.add(module);
    }
    const { input } = this.#engine.endpoints.defaults;
    // A queue that makes room by itself holds nobody back: a circle through it cannot lock up.
    const holding = compiled.filter(({ route }) => {
      const name = nameOf(route);
      const policy = Object.hasOwn(queues, name) ? queues[name] : undefined;
      return (policy?.overflow ?? input.overflow) === "refuse";
    });
    const [cycle] = findCycles(holding, emitters);
    if (cycle !== undefined) throw new RouteCycleError(cycle.modules, cycle.routes);
  }
}

const nameOf = ({ sink }: CompiledRoute): string =>
  sink.kind === "upstream" ? UPSTREAM : `${sink.module}/${sink.input}`;

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
