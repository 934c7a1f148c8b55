/**
 * The composition root: joins hub, agent and management into one gateway, and is the one place that knows
 * their order. What starts last stops first; a start that fails half-way undoes what it did.
 *
 * The management API comes up first and goes down last, so that a gateway that recovers, drains or is in
 * trouble can be asked about it.
 */
import { toErrorRecord } from "../../abi/index.ts";
import type { Hub, HubConfig, HubStarted, HubThread, RouteTable } from "../../hub/index.ts";
import type { Agent } from "../agent/index.ts";
import { createBackend, type GatewayView } from "./gateway-backend.ts";
import { readGatewayConfig, type GatewayConfig } from "../folder/gateway-config.ts";
import { gatewayPaths, withStorage, type GatewayPaths } from "../folder/gateway-folder.ts";
import { HubKeeper } from "./hub-keeper.ts";
import { IdentityBackup, sealedBackup } from "../store/identity-backup.ts";
import { ListenerCertificates } from "./listener-certificates.ts";
import type { Log } from "../log.ts";
import type { ManagementBackend } from "../management/backend.ts";
import type { ManagementServer } from "../management/server.ts";
import { Activity, noteChange, watchAgent } from "./activity.ts";
import { gatewayParts } from "./parts.ts";
import { hubReported, TwinReports } from "./twin-reports.ts";
import { systemClock } from "../supervisor/clock.ts";
import { StoreGuard } from "../store/store-guard.ts";
import { takeVaultKey } from "../folder/vault-key.ts";
import { Workload } from "../workload/index.ts";

export interface GatewayOptions {
  readonly dir: string;
  readonly log: Log;
  /** Of the program, for `status`. */
  readonly version: string;
}

/** What a gateway is made of. Given as functions, so that a test can give others. */
export interface GatewayParts {
  createHub(): HubThread;
  createAgent(context: {
    readonly paths: GatewayPaths;
    readonly config: GatewayConfig;
    readonly hub: Hub;
    readonly log: Log;
  }): Promise<GatewayAgent>;
}

/** What the gateway needs of its agent. */
export type GatewayAgent = Pick<
  Agent,
  | "boot"
  | "apply"
  | "status"
  | "reported"
  | "modules"
  | "watch"
  | "restartModule"
  | "tailLog"
  | "followLog"
  | "hubRestarted"
  | "stop"
>;

export interface GatewayStarted {
  readonly gatewayId: string;
  readonly listeners: HubStarted["listeners"];
  readonly recoveryMs: number;
  /** Messages that were waiting in queues. */
  readonly recovered: number;
}

export interface Gateway {
  /**
   * Resolves when devices can connect and the last deployment is being brought up.
   * @throws {ConfigError}
   * @throws {GatewayError} SP_GATEWAY_RUNNING
   * @throws what the hub could not do: a port that is busy, a store that cannot be opened
   */
  start(): Promise<GatewayStarted>;
  /** Drains and ends everything, in order; safe at any time, and more than once. */
  stop(): Promise<void>;
}

export function createGateway(
  options: GatewayOptions,
  parts: GatewayParts = gatewayParts(options.version),
): Gateway {
  /** How to end what was started, in the order of starting. */
  const ends: { readonly part: string; readonly end: () => Promise<void> }[] = [];
  let starting: Promise<GatewayStarted> | undefined;

  let unwinding: Promise<void> = Promise.resolve();

  /** Whoever asks meanwhile waits for the same end. */
  const unwind = (): Promise<void> => (unwinding = unwinding.then(endAll));

  async function endAll(): Promise<void> {
    for (let last = ends.pop(); last; last = ends.pop()) {
      const { part, end } = last;
      // Whatever does not end must not keep the rest from ending.
      await end().catch((error: unknown) =>
        options.log.error({ part, ...toErrorRecord(error) }, "stop failed"),
      );
    }
  }

  return {
    start() {
      starting = startGateway(options, parts, (part, end) => void ends.push({ part, end }));
      return starting.catch(async (error: unknown) => {
        await unwind();
        throw error;
      });
    },
    async stop() {
      await starting?.catch(() => {});
      await unwind();
    },
  };
}

type OnStop = (part: string, end: () => Promise<void>) => void;

async function startGateway(
  { dir, log, version }: GatewayOptions,
  parts: GatewayParts,
  onStop: OnStop,
): Promise<GatewayStarted> {
  const home = gatewayPaths(dir);
  const config = await readGatewayConfig(home.config);
  const paths = withStorage(home, config.storageFolder);
  await takeLocks(paths, onStop);
  const vaultKey = await takeVaultKey(paths.vaultKey);
  const backup = backupOf(paths, vaultKey.key, () => keeper.hub, log);
  const activity = new Activity(Date.now);
  const guard = new StoreGuard({ storeDir: paths.store, backup, log });
  const keepsData = config.store.backend !== "none";
  const keeper = new HubKeeper({
    createHub: () => parts.createHub(),
    ...(keepsData ? { guard } : {}),
    onChanged: (method, args) => {
      if (keepsData) noteIn(backup, method, args);
      noteChange(activity, method, args);
      if (isOfGateway(config, args)) workload.changed();
    },
    log,
    nowMs: () => performance.now(),
    onRemade: () => void rejoin(view, log),
  });
  const workload = workloadOf(paths, config, vaultKey.key, keeper.hub, log);
  const certificates = certificatesOf(paths, config, log);
  const view: GatewayView = {
    config,
    version,
    startedAt: new Date().toISOString(),
    keeper,
    store: guard,
    activity,
    phase: "starting",
    agent: null,
    workload,
    listeners: [],
    managementUrl: null,
    get certificateNotAfter() {
      return certificates.notAfter;
    },
  };
  // At the same time: the hub opens its store in a thread of its own.
  const management = startManagement(paths, createBackend(view), config, log);
  const listening = management.catch(() => null);
  onStop("management", async () => (await listening)?.close());
  const hubConfig = { ...(await prepareHub(paths, config, certificates)), vaultKey: vaultKey.key };
  onStop("hub", () => keeper.close());
  onStop("copy of the identities", () => backup.close());
  const hub = keeper.start(hubConfig).catch((error: unknown) => vaultKey.explain(error));
  // Who is awaited second may fail first.
  hub.catch(() => {});
  view.managementUrl = (await management).url;
  const { listeners, recoveryMs, recovered } = await hub;
  view.listeners = listeners;
  certificates.watch((changed) => keeper.setCertificates(changed));
  onStop("certificates", () => certificates.close());
  if (keepsData) backup.changed();
  onStop("workload API", () => workload.close());
  await workload.start();

  view.agent = await startAgent(parts, { paths, config, hub: keeper.hub, log }, activity, onStop);
  view.phase = "running";
  onStop("phase", async () => {
    view.phase = "stopping";
  });
  return { gatewayId: config.gatewayId, listeners, recoveryMs, recovered };
}

async function takeLocks(paths: GatewayPaths, onStop: OnStop): Promise<void> {
  const { lockGateway } = await import("../folder/gateway-lock.ts");
  const lock = await lockGateway(paths.run);
  onStop("lock", () => lock.release());
  const { takeStorageFolder } = await import("../folder/storage-folder.ts");
  const storage = await takeStorageFolder(paths);
  onStop("storage lock", async () => storage?.release());
}

const backupOf = (
  { identities: file }: GatewayPaths,
  vaultKey: Uint8Array,
  hub: () => Hub,
  log: Log,
): IdentityBackup =>
  new IdentityBackup({
    file,
    codec: sealedBackup(vaultKey),
    hub: { identities: () => hub().identities() },
    log,
  });

const reportsOf = (
  agent: GatewayAgent,
  { hub, config: { gatewayId }, log }: Parameters<GatewayParts["createAgent"]>[0],
): TwinReports =>
  new TwinReports({
    hub,
    gatewayId,
    clock: systemClock,
    log,
    read: () => {
      const reported = agent.reported();
      return { $edgeAgent: reported, $edgeHub: hubReported(reported) };
    },
  });

/** Who was removed or disabled, and keys that were renewed, must not come back by the copy: that is written at once. */
function noteIn(backup: IdentityBackup, method: keyof Hub, [first]: readonly unknown[]): void {
  if (method === "setRoutes") backup.routesChanged(first as RouteTable);
  else if (method === "removeIdentity" || method === "changeIdentity") backup.changed(0);
  else backup.changed();
}

/** A change of an identity: of the gateway's own modules, or of itself. */
function isOfGateway({ gatewayId }: GatewayConfig, [first]: readonly unknown[]): boolean {
  const deviceId = typeof first === "string" ? first : (first as { readonly deviceId?: string }).deviceId;
  return deviceId === gatewayId;
}

const workloadOf = (
  { tls: tlsDir, workload: root }: GatewayPaths,
  { gatewayId, hostname, workload: { http } }: GatewayConfig,
  vaultKey: Uint8Array,
  hub: Hub,
  log: Log,
): Workload =>
  new Workload({
    root,
    http,
    log,
    backend: {
      gatewayId,
      hostname,
      tlsDir,
      vaultKey,
      nowMs: () => Date.now(),
      identity: (moduleId) => hub.identity(gatewayId, moduleId),
      identities: () => hub.identities(gatewayId),
    },
  });

/** What was joined to the hub, to the one that was made in its place. Never rejects. */
async function rejoin({ agent, workload, activity, keeper }: GatewayView, log: Log): Promise<void> {
  activity.note("hub", "hub", `was made again, because: ${keeper.status().failure}`);
  workload.changed();
  await agent?.hubRestarted().catch((error: unknown) => {
    log.error({ ...toErrorRecord(error) }, "modules cannot be joined to the new hub");
  });
}

const APPLIED = 200;
const NONE_YET = 417;

/** Devices do not wait for modules: what is meant for them is queued. */
async function startAgent(
  parts: GatewayParts,
  context: Parameters<GatewayParts["createAgent"]>[0],
  activity: Activity,
  onStop: OnStop,
): Promise<GatewayAgent> {
  const agent = await parts.createAgent(context);
  const reports = reportsOf(agent, context);
  // After the agent: it says last that it has stopped.
  onStop("reports", () => reports.close());
  onStop("agent", () => agent.stop());
  agent.watch(() => reports.changed());
  watchAgent(agent, activity);
  void boot(agent, context.log);
  return agent;
}

/** Never rejects. */
async function boot(agent: GatewayAgent, log: Log): Promise<void> {
  const { version, code, description } = await agent.boot().catch((error: unknown) => ({
    version: null,
    code: null,
    description: toErrorRecord(error).message,
  }));
  if (code === NONE_YET) log.info({}, "no deployment yet; sandpiper apply brings one");
  else if (code === APPLIED) log.info({ deployment: version }, "deployment is up");
  else log.error({ deployment: version, code, description }, "deployment did not come up");
}

async function startManagement(
  { socket, managementToken }: GatewayPaths,
  backend: ManagementBackend,
  { management: { bodyBytesMax, listen } }: GatewayConfig,
  log: Log,
): Promise<ManagementServer> {
  const { startManagementServer } = await import("../management/server.ts");
  const options = { socket, bodyBytesMax, log };
  if (listen === undefined) return startManagementServer(backend, options);
  const { takeManagementToken } = await import("../folder/management-token.ts");
  const token = await takeManagementToken(managementToken);
  return startManagementServer(backend, { ...options, port: { address: listen, token } });
}

const certificatesOf = (
  paths: GatewayPaths,
  { hostname, listeners }: GatewayConfig,
  log: Log,
): ListenerCertificates =>
  new ListenerCertificates({ paths, hostname, listeners, log, nowMs: () => Date.now() });

async function prepareHub(
  paths: GatewayPaths,
  { gatewayId, hostname, store }: GatewayConfig,
  certificates: ListenerCertificates,
): Promise<HubConfig> {
  const listeners = await certificates.load();
  return { gatewayId, hostNames: [hostname, "localhost"], storeDir: paths.store, listeners, store };
}
