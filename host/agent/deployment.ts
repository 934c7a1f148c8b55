/**
 * The deployment manifest of IoT Edge, from unknown JSON to a value that cannot be wrong (contract §1). Nothing
 * is fetched or started here.
 *
 * System modules are accepted and shown but not run: the agent and the hub are this program, so their images
 * mean nothing. Sections of a manifest are maps wherever users choose the keys, so that no name is special.
 */
import { CONFIG_BYTES_MAX } from "../../abi/index.ts";
import type { RouteTable } from "../../hub/face.ts";
import { checkDesired } from "../../hub/index.ts";
import { ArtifactError } from "../artifacts/errors.ts";
import { DIGEST_PATTERN, parseReference, type ArtifactReference } from "../artifacts/reference.ts";
import type { RestartPolicy } from "../supervisor/restart-policy.ts";
import { decodeCreateOptions, type CreateOptions } from "./create-options.ts";
import { AGENT_SCHEMA, HUB_SCHEMA, UINT32_MAX } from "./deployment-schema.ts";
import { openEnvelope, type Sections } from "./envelope.ts";
import { DeploymentError } from "./errors.ts";
import { decodeHubSection } from "./hub-section.ts";
import { formatPath, type JsonPath } from "./json-path.ts";
import { createCheck, unknownKeys } from "./schema-check.ts";
import { decodeSchemaVersion } from "./schema-version.ts";

export interface Deployment {
  readonly routes: RouteTable;
  readonly modules: ReadonlyMap<string, ModuleDesired>;
  /** Desired properties by module; a module that is not listed keeps what it has (contract §1.1). */
  readonly configs: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly runtime: RuntimeDesired;
  readonly systemModules: ReadonlyMap<SystemModuleName, SystemModuleDesired>;
  /** What was accepted and has no effect. */
  readonly warnings: readonly string[];
}

export interface ModuleDesired {
  readonly name: string;
  readonly image: string;
  readonly reference: ArtifactReference;
  /** `settings.digest`: what the artifact must be, besides what the reference says. */
  readonly digest: string | null;
  readonly createOptions: CreateOptions;
  readonly env: ReadonlyMap<string, string>;
  readonly version: string;
  readonly status: "running" | "stopped";
  readonly restartPolicy: RestartPolicy;
  readonly imagePullPolicy: "on-create" | "never";
  /** Lower starts first. */
  readonly startupOrder: number;
}

export type SystemModuleName = "edgeAgent" | "edgeHub";
export type SystemModuleDesired = Partial<Omit<ModuleEntry, "settings">> & {
  readonly settings?: { readonly image: string };
};

export interface RuntimeDesired {
  readonly type: string;
  readonly settings?: {
    readonly minDockerVersion?: string;
    readonly loggingOptions?: string;
    readonly registryCredentials?: Readonly<Record<string, RegistryCredentials>>;
  };
}
interface RegistryCredentials {
  readonly address: string;
  readonly username: string;
  readonly password: string;
}

/** The checked form of one entry of `modules`. */
interface ModuleEntry {
  readonly type: string;
  readonly status: "running" | "stopped";
  readonly restartPolicy?: RestartPolicy;
  readonly imagePullPolicy?: "on-create" | "never";
  readonly startupOrder?: number;
  readonly version?: string;
  readonly env?: Readonly<Record<string, { readonly value: string | number | boolean }>>;
  readonly settings: { readonly image: string; readonly digest?: string };
}

interface AgentDesired {
  readonly runtime: RuntimeDesired;
  readonly systemModules?: Partial<Record<SystemModuleName, SystemModuleDesired>>;
  readonly modules: Readonly<Record<string, ModuleEntry>>;
}

const RESERVED_NAMES: readonly string[] = ["edgeAgent", "edgeHub"];
const AGENT_MINOR_MAX = 1;
const HUB_MINOR_MAX = 3;
const ENV_BYTES_MAX = 64 * 1024;

const checkAgent = createCheck<AgentDesired>("agent-desired");

/**
 * Decodes `{modulesContent}` or `{content: {modulesContent}}`.
 * @throws {DeploymentError} 400 malformed, 412 schemaVersion, 417 empty; with the JSON path
 */
export function decodeDeployment(json: unknown): Deployment {
  const sections = openEnvelope(json);
  const { agent, hub } = sections;
  decodeSchemaVersion(agent.desired["schemaVersion"], AGENT_MINOR_MAX, [...agent.at, "schemaVersion"]);
  const hubVersion = decodeSchemaVersion(hub.desired["schemaVersion"], HUB_MINOR_MAX, [
    ...hub.at,
    "schemaVersion",
  ]);
  const desired = checkAgent(agent.desired, agent.at);
  const { table, warnings } = decodeHubSection(hub.desired, hubVersion, hub.at);
  const modules = new Map(
    Object.entries(desired.modules).map(([name, entry]) => [
      name,
      decodeModule(name, entry, [...agent.at, "modules", name]),
    ]),
  );
  const configs = decodeConfigs(sections);
  const strays = [
    ...unknownKeys(AGENT_SCHEMA, agent.desired, agent.at),
    ...unknownKeys(HUB_SCHEMA, hub.desired, hub.at),
  ];
  return {
    routes: table,
    modules,
    configs,
    runtime: desired.runtime,
    systemModules: new Map(
      Object.entries(desired.systemModules ?? {}) as [SystemModuleName, SystemModuleDesired][],
    ),
    warnings: [
      ...strays.map((path) => `${formatPath(path)}: unknown key, has no effect`),
      ...warnings,
      ...[...sections.others]
        .filter(([name]) => !modules.has(name))
        .map(([, { at }]) => `${formatPath(at)}: no such module in the deployment, has no effect`),
    ],
  };
}

function decodeModule(name: string, entry: ModuleEntry, at: JsonPath): ModuleDesired {
  if (RESERVED_NAMES.includes(name)) {
    throw new DeploymentError(400, at, "this name belongs to a system module");
  }
  const settingsAt = [...at, "settings"];
  const { image, digest } = entry.settings;
  return {
    name,
    image,
    reference: decodeImage(image, [...settingsAt, "image"]),
    digest: decodeDigest(digest, [...settingsAt, "digest"]),
    createOptions: decodeCreateOptions(entry.settings as Readonly<Record<string, unknown>>, settingsAt),
    env: decodeEnv(entry.env ?? {}, [...at, "env"]),
    version: entry.version ?? "",
    status: entry.status,
    restartPolicy: entry.restartPolicy ?? "on-unhealthy",
    imagePullPolicy: entry.imagePullPolicy ?? "on-create",
    startupOrder: entry.startupOrder ?? UINT32_MAX,
  };
}

function decodeImage(image: string, at: JsonPath): ArtifactReference {
  try {
    return parseReference(image);
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error;
    throw new DeploymentError(400, at, error.message, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}

function decodeDigest(digest: string | undefined, at: JsonPath): string | null {
  if (digest === undefined || digest === "") return null;
  if (!DIGEST_PATTERN.test(digest)) {
    throw new DeploymentError(400, at, `"${digest.slice(0, 80)}" is not sha256: and 64 hex digits`);
  }
  return digest;
}

function decodeEnv(env: NonNullable<ModuleEntry["env"]>, at: JsonPath): ReadonlyMap<string, string> {
  const values = new Map(Object.entries(env).map(([name, { value }]) => [name, String(value)]));
  const bytes = [...values].reduce((sum, [name, value]) => sum + Buffer.byteLength(name + value), 0);
  if (bytes > ENV_BYTES_MAX) throw new DeploymentError(400, at, `${bytes} bytes, more than ${ENV_BYTES_MAX}`);
  return values;
}

/** Desired properties of the modules' own twins: each module's configuration. */
function decodeConfigs({ others }: Sections): ReadonlyMap<string, Readonly<Record<string, unknown>>> {
  const configs = new Map<string, Readonly<Record<string, unknown>>>();
  for (const [name, { desired, at }] of others) {
    const bytes = Buffer.byteLength(JSON.stringify(desired));
    if (bytes > CONFIG_BYTES_MAX) {
      throw new DeploymentError(400, at, `${bytes} bytes, more than ${CONFIG_BYTES_MAX}`);
    }
    // `$version` and `$metadata` are the twin's to set, never the manifest's.
    const values = Object.fromEntries(Object.entries(desired).filter(([key]) => !key.startsWith("$")));
    try {
      checkDesired(values);
    } catch (error) {
      throw new DeploymentError(400, at, (error as Error).message);
    }
    configs.set(name, values);
  }
  return configs;
}
