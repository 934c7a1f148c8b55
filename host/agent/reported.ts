/**
 * The reported properties of `$edgeAgent`, in the layout that the portal, the command line and service queries
 * of IoT Edge read (contract §2.1), plus `digest` and `faults` of each module. Pure.
 */
import type { ModuleStatus } from "../supervisor/supervisor.ts";
import type { Deployment, ModuleDesired, RuntimeDesired, SystemModuleDesired } from "./deployment.ts";
import { UINT32_MAX } from "./deployment-schema.ts";

export interface VersionInfo {
  readonly version: string;
  readonly build: string;
  readonly commit: string;
}

/** What is there, beside what was wanted of it. `status` is `null` for a module that could not be made ready. */
export interface ModuleFacts {
  readonly desired: ModuleDesired;
  readonly digest: string | null;
  readonly status: ModuleStatus | null;
  /** Why there is no status. */
  readonly failure: string | null;
}

export interface AgentFacts {
  readonly version: VersionInfo;
  readonly isStopped: boolean;
  readonly startedAtMs: number;
  readonly lastDesiredVersion: number;
  readonly lastDesiredStatus: { readonly code: number; readonly description: string };
  /** The one that runs. */
  readonly deployment: Deployment | null;
  readonly modules: readonly ModuleFacts[];
}

export type RuntimeStatus = "running" | "stopped" | "failed" | "backoff" | "unhealthy" | "unknown";

const NEVER = "0001-01-01T00:00:00Z";
/** Continuation chunks of `createOptions`, as the twin's limit on strings asks (contract §1.2). */
const CHUNK_CHARACTERS = 512;

/** The contract has no word for a start or a stop that is under way. */
const RUNTIME_STATUS: Readonly<Record<ModuleStatus["status"], RuntimeStatus>> = {
  stopped: "stopped",
  starting: "stopped",
  running: "running",
  stopping: "running",
  exited: "stopped",
  backoff: "backoff",
  unhealthy: "unhealthy",
  failed: "failed",
};

export const runtimeStatusOf = ({ status }: Pick<ModuleFacts, "status">): RuntimeStatus =>
  status === null ? "failed" : RUNTIME_STATUS[status.status];

export function reportedProperties(facts: AgentFacts): Readonly<Record<string, unknown>> {
  const { deployment, isStopped } = facts;
  // Users choose these names: no prototype, so that none of them is special.
  const modules = Object.create(null) as Record<string, unknown>;
  for (const module of facts.modules) modules[module.desired.name] = reportedModule(module, isStopped);
  return {
    schemaVersion: "1.0",
    version: facts.version,
    lastDesiredVersion: facts.lastDesiredVersion,
    lastDesiredStatus: isStopped
      ? { code: 406, description: "Agent is not running" }
      : { code: facts.lastDesiredStatus.code, description: facts.lastDesiredStatus.description },
    runtime: {
      type: deployment?.runtime.type ?? "docker",
      settings: reportedRuntime(deployment?.runtime.settings ?? {}),
      platform: { os: process.platform, architecture: process.arch, version: process.version },
    },
    systemModules: {
      edgeAgent: reportedAgent(deployment?.systemModules.get("edgeAgent"), facts),
      edgeHub: reportedHub(deployment?.systemModules.get("edgeHub"), facts),
    },
    modules,
  };
}

/** Passwords stay here: nobody needs to read them back. */
function reportedRuntime(settings: NonNullable<RuntimeDesired["settings"]>): object {
  const credentials = Object.entries(settings.registryCredentials ?? {}).map(
    ([id, { address, username }]) => [id, { address, username, password: "***" }],
  );
  return {
    minDockerVersion: settings.minDockerVersion ?? "",
    loggingOptions: settings.loggingOptions ?? "",
    registryCredentials: Object.fromEntries(credentials) as object,
  };
}

function reportedModule(facts: ModuleFacts, isStopped: boolean): object {
  const { desired, digest, status } = facts;
  return {
    type: "docker",
    status: desired.status,
    restartPolicy: desired.restartPolicy,
    imagePullPolicy: desired.imagePullPolicy,
    startupOrder: desired.startupOrder,
    version: desired.version,
    settings: {
      image: desired.image,
      imageHash: digest ?? "",
      ...chunked(desired.createOptions.text),
      ...(desired.digest === null ? {} : { digest: desired.digest }),
    },
    env: Object.fromEntries([...desired.env].map(([name, value]) => [name, { value }])),
    runtimeStatus: isStopped ? "unknown" : runtimeStatusOf(facts),
    exitCode: status?.exitCode ?? 1,
    statusDescription: status?.description ?? facts.failure ?? "",
    lastStartTimeUtc: time(status?.startedAtMs),
    lastExitTimeUtc: time(status?.exitedAtMs),
    restartCount: status?.restarts ?? 0,
    lastRestartTimeUtc: time(status?.restartedAtMs),
    digest: digest ?? "",
    faults: {
      pinned: status?.faults.pinned ?? 0,
      unpinned: status?.faults.unpinned ?? 0,
      recovered: status?.faults.recovered ?? 0,
      last: status?.lastFault
        ? {
            kind: status.lastFault.kind,
            message: status.lastFault.message,
            timeUtc: time(status.lastFault.atMs),
          }
        : null,
    },
  };
}

/** System modules are this program: shown as the manifest has them, and as running as long as it does. */
const reportedSystemModule = (desired: SystemModuleDesired | undefined, facts: AgentFacts) => ({
  type: "docker",
  imagePullPolicy: desired?.imagePullPolicy ?? "on-create",
  settings: { image: desired?.settings?.image ?? "", imageHash: "", createOptions: "{}" },
  env: desired?.env ?? {},
  runtimeStatus: facts.isStopped ? "unknown" : "running",
  exitCode: 0,
  statusDescription: "",
  lastStartTimeUtc: time(facts.startedAtMs),
  lastExitTimeUtc: NEVER,
});

const reportedAgent = (desired: SystemModuleDesired | undefined, facts: AgentFacts) => ({
  ...reportedSystemModule(desired, facts),
  startupOrder: 0,
});

const reportedHub = (desired: SystemModuleDesired | undefined, facts: AgentFacts) => ({
  ...reportedSystemModule(desired, facts),
  startupOrder: desired?.startupOrder ?? UINT32_MAX,
  status: desired?.status ?? "running",
  restartPolicy: desired?.restartPolicy ?? "always",
  restartCount: 0,
  lastRestartTimeUtc: NEVER,
});

const time = (ms: number | null | undefined): string =>
  ms === null || ms === undefined ? NEVER : new Date(ms).toISOString();

function chunked(text: string): Record<string, string> {
  const count = Math.max(1, Math.ceil(text.length / CHUNK_CHARACTERS));
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      i === 0 ? "createOptions" : `createOptions${String(i).padStart(2, "0")}`,
      text.slice(i * CHUNK_CHARACTERS, (i + 1) * CHUNK_CHARACTERS),
    ]),
  );
}
