/**
 * From a deployment to what can be run: every artifact here, verified, compiled and admitted. Nothing that
 * runs is touched. Failures are gathered by module, so that an operator hears of all of them at once, and a
 * boot can run the modules that are whole.
 */
import { isDeepStrictEqual } from "node:util";
import { SandpiperError, toErrorRecord, type Capability, type ModuleManifest } from "../../abi/index.ts";
import type { ArtifactStore } from "../artifacts/artifact-store.ts";
import type { TrustPolicy } from "../artifacts/trust.ts";
import type { ModuleRun } from "../supervisor/incarnation.ts";
import type { Deployment, ModuleDesired } from "./deployment.ts";
import { AgentError } from "./errors.ts";

/** `admitModule` of `host/sandbox`; asynchronous, so that it can move to a thread of its own. */
export type Admit = (
  wasm: Uint8Array,
  policy: { readonly grants: readonly Capability[]; readonly memoryBytesMax: number },
) => Admitted | Promise<Admitted>;

export interface Admitted {
  readonly module: WebAssembly.Module;
  readonly manifest: ModuleManifest;
  readonly grants: readonly Capability[];
}

/** A module that can be run, beside what was wanted of it. */
export interface ResolvedModule {
  readonly desired: ModuleDesired;
  readonly run: ModuleRun;
}

/** A module's configuration, and the version of the deployment that last changed it. */
export interface ModuleConfig {
  readonly version: number;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface ResolvedDeployment {
  /** `lastDesiredVersion`. */
  readonly version: number;
  readonly deployment: Deployment;
  readonly modules: ReadonlyMap<string, ResolvedModule>;
  /** What a deployment does not list, a module keeps from before; one that leaves loses it (contract §1.1). */
  readonly configs: ReadonlyMap<string, ModuleConfig>;
  /** Of every module whose artifact is known, ready to run or not. */
  readonly digests: ReadonlyMap<string, string>;
  readonly failures: ReadonlyMap<string, SandpiperError>;
}

export interface ResolveOptions {
  readonly version: number;
  readonly baseDir: string;
  readonly trust: TrustPolicy;
  readonly store: ArtifactStore;
  readonly admit: Admit;
  /** Digests that were settled earlier: a boot runs what ran, not what its source has become. */
  readonly digests: ReadonlyMap<string, string>;
  readonly configs: ReadonlyMap<string, ModuleConfig>;
  /** What runs: its compiled code is used again. */
  readonly previous: ReadonlyMap<string, ResolvedModule>;
}

export async function resolveDeployment(
  deployment: Deployment,
  options: ResolveOptions,
): Promise<ResolvedDeployment> {
  const configs = mergeConfigs(deployment, options);
  const modules = new Map<string, ResolvedModule>();
  const digests = new Map(options.digests);
  const failures = new Map<string, SandpiperError>();
  // One after the other: bytes and compiler of one module at a time is what a small gateway has memory for.
  for (const [name, desired] of deployment.modules) {
    try {
      const resolved = await resolveModule(desired, configs.get(name), options);
      modules.set(name, resolved);
      digests.set(name, resolved.run.digest);
    } catch (error) {
      failures.set(name, ofModule(name, error));
    }
  }
  return { version: options.version, deployment, modules, configs, digests, failures };
}

async function resolveModule(
  desired: ModuleDesired,
  config: ModuleConfig | undefined,
  options: ResolveOptions,
): Promise<ResolvedModule> {
  const { store, baseDir, trust, digests, previous } = options;
  const digest = digests.get(desired.name) ?? desired.digest;
  const artifact = await store.fetchArtifact(desired.reference, { baseDir, digest, trust });
  const { sandbox } = desired.createOptions;
  const { grants: granted, memoryBytesMax, ...limits } = sandbox;
  const before = previous.get(desired.name);
  const { module, manifest, grants } =
    before && before.run.digest === artifact.digest && hasSamePolicy(before.desired, desired)
      ? before.run
      : await options.admit(artifact.bytes, { grants: granted, memoryBytesMax });
  return {
    desired,
    run: {
      name: desired.name,
      digest: artifact.digest,
      module,
      manifest,
      grants,
      limits,
      env: desired.env,
      config: config?.value ?? {},
      configVersion: config?.version ?? 0,
      sourceMap: artifact.sourceMap,
    },
  };
}

const hasSamePolicy = (a: ModuleDesired, b: ModuleDesired): boolean =>
  a.createOptions.sandbox.memoryBytesMax === b.createOptions.sandbox.memoryBytesMax &&
  isDeepStrictEqual(a.createOptions.sandbox.grants, b.createOptions.sandbox.grants);

function mergeConfigs(
  deployment: Deployment,
  { configs: before, version }: ResolveOptions,
): ReadonlyMap<string, ModuleConfig> {
  const merged = new Map([...before].filter(([name]) => deployment.modules.has(name)));
  for (const [name, value] of deployment.configs) {
    if (!isDeepStrictEqual(merged.get(name)?.value, value)) merged.set(name, { version, value });
  }
  return merged;
}

/** The same error, with the module it is about in front. */
function ofModule(name: string, error: unknown): SandpiperError {
  const { code, message, hint, details } = toErrorRecord(error);
  return new AgentError(code, `module "${name}": ${message.replace(/^module: /, "")}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { ...details, module: name },
    cause: error,
  });
}
