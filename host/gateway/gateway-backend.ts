/** What the management API sees of a gateway, from before its hub is there until after it is gone. */
import { daysLeft } from "../certificates/index.ts";
import { GatewayError } from "../errors.ts";
import type { GatewayConfig } from "../folder/gateway-config.ts";
import type { Activity } from "./activity.ts";
import type { GatewayAgent } from "./gateway.ts";
import type { HubKeeper } from "./hub-keeper.ts";
import type { GatewayState, GatewayStatus } from "../management/api.ts";
import type { ManagementBackend } from "../management/backend.ts";
import type { StoreGuard } from "../store/store-guard.ts";
import type { Workload } from "../workload/index.ts";

/** The gateway as it is now. Its owner writes, the API reads. */
export interface GatewayView {
  readonly config: GatewayConfig;
  readonly version: string;
  readonly startedAt: string;
  readonly keeper: HubKeeper;
  readonly store: Pick<StoreGuard, "news">;
  readonly activity: Activity;
  phase: "starting" | "running" | "stopping";
  agent: GatewayAgent | null;
  readonly workload: Pick<Workload, "environment" | "changed">;
  listeners: GatewayStatus["listeners"];
  managementUrl: string | null;
  /** Of the certificate that expires first; null without TLS listeners. */
  readonly certificateNotAfter: string | null;
}

export function createBackend(view: GatewayView): ManagementBackend {
  const agent = async (): Promise<GatewayAgent> => {
    if (view.agent) return view.agent;
    throw new GatewayError("SP_HUB_DOWN", "gateway: is starting", { hint: "try again in a moment" });
  };
  return {
    gatewayId: view.config.gatewayId,
    hostname: view.config.hostname,
    version: view.version,
    hub: view.keeper.hub,
    status: () => statusOf(view),
    activity: (query) => view.activity.read(query),
    modules: async () => (await agent()).modules(),
    reported: async () => (await agent()).reported(),
    apply: async (deployment, baseDir) => (await agent()).apply(deployment, { baseDir }),
    environment: (module) => view.workload.environment(module),
    restart: async (module) => (await agent()).restartModule(module),
    readLog: async (module, { lines, follow, signal }) =>
      follow
        ? (await agent()).followLog(module, { lines, signal })
        : toAsync(await (await agent()).tailLog(module, { lines })),
  };
}

async function* toAsync(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

async function statusOf(view: GatewayView): Promise<GatewayStatus> {
  const { config, version, startedAt, keeper, listeners, certificateNotAfter } = view;
  const { state, restarts, failure } = keeper.status();
  return {
    gatewayId: config.gatewayId,
    hostname: config.hostname,
    version,
    pid: process.pid,
    state: stateOf(view.phase, state),
    startedAt,
    listeners,
    managementUrl: view.managementUrl,
    hub: state === "ok" ? await keeper.hub.status().catch(() => null) : null,
    hubRestarts: restarts,
    hubFailure: failure,
    storesSetAside: view.store.news.setAside,
    storeRestored: view.store.news.restored,
    deployment: view.agent?.status() ?? null,
    certificate:
      certificateNotAfter === null
        ? null
        : { notAfter: certificateNotAfter, daysLeft: daysLeft(certificateNotAfter, Date.now()) },
  };
}

function stateOf(phase: GatewayView["phase"], hub: ReturnType<HubKeeper["status"]>["state"]): GatewayState {
  if (phase !== "running") return phase;
  if (hub === "failed") return "failed";
  return hub === "ok" ? "running" : "degraded";
}
