/** The parts of a hub that runs, and how they are put together: store, engine, routes, modules, clients. */
import { AmqpClients } from "./amqp/amqp-clients.ts";
import { Clients } from "./clients/clients.ts";
import { Devicebound } from "./devicebound/devicebound.ts";
import { Engine } from "./engine.ts";
import type { Compaction, HubConfig } from "./face.ts";
import { Gauges } from "./operator/gauges.ts";
import type { Identities } from "./identity/identities.ts";
import { openIdentities } from "./identity/open-identities.ts";
import { Compactor } from "./journal/compactor.ts";
import { systemClock } from "./journal/powered-clock.ts";
import { Methods } from "./methods/methods.ts";
import { Modules } from "./modules/modules.ts";
import type { Listener } from "./mqtt/listener.ts";
import { Sessions } from "./mqtt/sessions.ts";
import { openStore } from "./store/open-store.ts";
import { restore } from "./store/restore.ts";
import { Routes } from "./routes.ts";
import { AGENT_MODULE, HUB_MODULE } from "./sources.ts";
import { TwinChangeMessages } from "./twins/twin-changes.ts";
import { Twins, type TwinName } from "./twins/twins.ts";

export interface Running {
  readonly engine: Engine;
  readonly routes: Routes;
  readonly modules: Modules;
  readonly identities: Identities;
  readonly twins: Twins;
  readonly methods: Methods;
  readonly devicebound: Devicebound;
  readonly clients: Clients;
  readonly sessions: Sessions;
  readonly compactor: Compactor;
  readonly amqpClients: AmqpClients;
  readonly listeners: Listener[];
  readonly gauges: Gauges;
  compacting: Promise<Compaction> | null;
  readonly gatewayId: string;
}

/** Recovers what is on disk; nobody can connect yet. @throws SandpiperError SP_STORE_* */
export async function openRunning(config: HubConfig, onFailure: (error: Error) => void): Promise<Running> {
  const { lingerMs, graceMs, bytesMax, timeToLiveClock, queues } = config.store;
  const store = await openStore(config.storeDir, config.store);
  const clock = systemClock;
  const engine = new Engine({
    store,
    clock,
    lingerMs,
    graceMs,
    bytesMax,
    timeToLiveClock,
    queues,
    onFailure,
  });
  const { gatewayId, hostNames = [] } = config;
  const routes = new Routes(engine);
  const modules = new Modules(engine, gatewayId);
  const identities = await openIdentities(engine, config);
  const twins = new Twins({
    journal: engine.journal,
    changes: new TwinChangeMessages(engine, gatewayId),
    exists: (name) => hasTwin(name, gatewayId, identities, modules),
    now: () => engine.clock.wall(),
  });
  const devicebound = new Devicebound({ engine, identities, gatewayId });
  const clients = new Clients({ engine, identities, modules, twins, devicebound, gatewayId, hostNames });
  const methods = new Methods((name) => modules.methodTarget(name) ?? clients.methodTarget(name));
  clients.serveMethods(methods);
  modules.serve({ twins, methods });
  const sessions = new Sessions({ engine, clients, twins, devicebound });
  const amqpClients = new AmqpClients({ engine, clients, devicebound, troubles: sessions.troubles });
  const compactor = new Compactor({
    space: () => store.space,
    compact: () => store.compact(),
    groups: () => engine.journal.counters.groups,
    nowMs: () => clock.monotonic(),
  });
  const gauges = new Gauges(engine);
  await engine.journal.durable();
  if (config.restore) await restore(config.restore, routes, identities);
  return {
    engine,
    routes,
    modules,
    identities,
    twins,
    methods,
    devicebound,
    clients,
    sessions,
    amqpClients,
    compactor,
    gauges,
    listeners: [],
    compacting: null,
    gatewayId,
  };
}

/** Devices, modules that connect over the network, modules of deployments, and the gateway's own. */
function hasTwin(
  { deviceId, moduleId }: TwinName,
  gatewayId: string,
  identities: Identities,
  modules: Modules,
): boolean {
  if (identities.find(deviceId, moduleId) !== undefined) return true;
  if (deviceId !== gatewayId) return false;
  return (
    moduleId === null || moduleId === HUB_MODULE || moduleId === AGENT_MODULE || modules.isKnown(moduleId)
  );
}
