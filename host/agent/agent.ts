/**
 * The agent, as the gateway sees it: takes deployments one at a time, reports, and knows every module. What a
 * deployment does is in `applier.ts`.
 */
import { join } from "node:path";
import type { Hub } from "../../hub/face.ts";
import { openArtifactStore } from "../artifacts/artifact-store.ts";
import { systemClock, type Clock } from "../supervisor/clock.ts";
import { unknownModule } from "../supervisor/errors.ts";
import type { ModuleHub } from "../supervisor/incarnation.ts";
import type { Log } from "../supervisor/log.ts";
import { createModuleLogs, type ModuleLogs } from "../supervisor/module-log.ts";
import type { StartSandbox } from "../supervisor/sandbox-face.ts";
import { Applier } from "./applier.ts";
import { openDeploymentFiles } from "./deployment-files.ts";
import { AgentError } from "./errors.ts";
import { Fleet } from "./fleet.ts";
import { viewModule, type ModuleView } from "./module-view.ts";
import { reportedProperties, type ModuleFacts, type VersionInfo } from "./reported.ts";
import type { Admit } from "./resolve.ts";
import { completeSettings, type AgentSettings, type PartialSettings } from "./settings.ts";
import { statusOf, type DeploymentStatus } from "./status.ts";

export type AgentHub = ModuleHub &
  Pick<Hub, "setRoutes" | "settleRoutes" | "setModuleTwins" | "forgetModule">;

export interface AgentOptions {
  /** The gateway's folder: the agent uses `agent/`, `artifacts/` and `logs/` in it, and reads `trust.json`. */
  readonly dir: string;
  readonly hub: AgentHub;
  readonly startSandbox: StartSandbox;
  readonly admit: Admit;
  readonly log: Log;
  readonly clock?: Clock;
  readonly settings?: PartialSettings;
  readonly version?: VersionInfo;
}

export interface Agent {
  /** Starts what ran last, without network. Never rejects: what is wrong is in the status. Call it once, first. */
  boot(): Promise<DeploymentStatus>;
  /**
   * Applies a deployment manifest (parsed JSON). A deployment that was refused or rolled back is a status.
   * `baseDir` is where relative `file:` images are looked for.
   * @throws {AgentError} SP_AGENT_BUSY, SP_AGENT_STOPPED
   */
  apply(json: unknown, options: { readonly baseDir: string }): Promise<DeploymentStatus>;
  status(): DeploymentStatus;
  /** Reported properties of `$edgeAgent` (contract §2.1). */
  reported(): Readonly<Record<string, unknown>>;
  modules(): readonly ModuleView[];
  /** Calls `listener` after each change of a module's status, and of what came of a deployment. */
  watch(listener: () => void): void;
  /** @throws {ModuleError} SP_MODULE_UNKNOWN */
  restartModule(name: string): void;
  /** The last lines of a module's log, oldest first. @throws {ModuleError} SP_MODULE_UNKNOWN */
  tailLog(name: string, options: { readonly lines: number }): Promise<string[]>;
  /** The last lines, then every further one until `signal` aborts. @throws {ModuleError} SP_MODULE_UNKNOWN */
  followLog(
    name: string,
    options: { readonly signal: AbortSignal; readonly lines?: number },
  ): AsyncGenerator<string>;
  /** The hub was re-made from disk: it gets the routes again, and every module a new link. */
  hubRestarted(): Promise<void>;
  /** Stops all modules. A deployment under way is left for the next boot. */
  stop(): Promise<void>;
}

export const createAgent = (options: AgentOptions): Agent => new DeploymentAgent(options);

const UNRELEASED: VersionInfo = { version: "0.0.0", build: "", commit: "" };

class DeploymentAgent implements Agent {
  readonly #version: VersionInfo;
  readonly #settings: AgentSettings;
  readonly #startedAtMs: number;
  readonly #logs: ModuleLogs;
  readonly #fleet: Fleet;
  readonly #applier: Applier;
  readonly #stopping = new AbortController();
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  readonly #listeners: (() => void)[] = [];
  #status: DeploymentStatus = statusOf(0, 417, "no deployment yet");

  constructor(options: AgentOptions) {
    const { dir, hub, startSandbox, admit, log, clock = systemClock, version = UNRELEASED } = options;
    this.#version = version;
    this.#settings = completeSettings(options.settings);
    this.#startedAtMs = clock.wallMs();
    const { restart, timeouts, health, moduleLog } = this.#settings;
    const logs = createModuleLogs({ dir: join(dir, "logs"), log, clock, settings: moduleLog });
    const fleet = new Fleet({ hub, startSandbox, clock, log, logs, restart, timeouts });
    this.#logs = logs;
    this.#fleet = fleet;
    this.#applier = new Applier({
      hub,
      admit,
      fleet,
      clock,
      log,
      logs,
      health,
      signal: this.#stopping.signal,
      trustPath: join(dir, "trust.json"),
      store: openArtifactStore(join(dir, "artifacts")),
      files: openDeploymentFiles(join(dir, "agent")),
    });
  }

  boot(): Promise<DeploymentStatus> {
    return this.#alone(async () => {
      const { status, resume } = await this.#applier.boot();
      if (resume) void this.#alone(() => this.#applier.resume(resume)).catch(() => {});
      return status;
    });
  }

  async apply(json: unknown, { baseDir }: { readonly baseDir: string }): Promise<DeploymentStatus> {
    if (this.#waiting > this.#settings.appliesMax) {
      throw new AgentError("SP_AGENT_BUSY", `agent: ${this.#waiting} deployments are under way or waiting`, {
        hint: "wait until they are settled",
      });
    }
    return this.#alone(() => this.#applier.apply(json, baseDir));
  }

  status(): DeploymentStatus {
    return this.#status;
  }

  reported(): Readonly<Record<string, unknown>> {
    return reportedProperties({
      version: this.#version,
      isStopped: this.#stopping.signal.aborted,
      startedAtMs: this.#startedAtMs,
      lastDesiredVersion: this.#status.version,
      lastDesiredStatus: this.#status,
      deployment: this.#applier.current?.deployment ?? null,
      modules: this.#facts(),
    });
  }

  modules(): readonly ModuleView[] {
    const { members } = this.#fleet;
    return this.#facts().map((facts) => viewModule(facts, members.get(facts.desired.name)?.resolved ?? null));
  }

  watch(listener: () => void): void {
    this.#listeners.push(listener);
    this.#fleet.watch(listener);
  }

  restartModule(name: string): void {
    this.#fleet.supervisor(name).restart();
  }

  async tailLog(name: string, options: { readonly lines: number }): Promise<string[]> {
    this.#checkName(name);
    return this.#logs.tailLog(name, options);
  }

  followLog(
    name: string,
    options: { readonly signal: AbortSignal; readonly lines?: number },
  ): AsyncGenerator<string> {
    this.#checkName(name);
    return this.#logs.followLog(name, options);
  }

  async hubRestarted(): Promise<void> {
    await this.#applier.restoreRoutes();
    for (const { supervisor } of this.#fleet.members.values()) supervisor.reopen();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#queue;
    await this.#fleet.stopAll();
    await this.#logs.close();
  }

  /** One at a time, in order. */
  #alone(task: () => Promise<DeploymentStatus>): Promise<DeploymentStatus> {
    this.#waiting += 1;
    const result = this.#queue.then(async () => {
      if (this.#stopping.signal.aborted) {
        throw new AgentError("SP_AGENT_STOPPED", "agent: the gateway is stopping");
      }
      this.#status = await task();
      for (const listener of this.#listeners) listener();
      return this.#status;
    });
    this.#queue = result.then(
      () => (this.#waiting -= 1),
      () => (this.#waiting -= 1),
    );
    return result;
  }

  /** What is there, and what should be and cannot. */
  #facts(): readonly ModuleFacts[] {
    const there = [...this.#fleet.members.values()].map(({ resolved, supervisor }) => ({
      desired: resolved.desired,
      digest: resolved.run.digest,
      status: supervisor.status,
      failure: null,
    }));
    const current = this.#applier.current;
    const failed = [...(current?.failures ?? [])].flatMap(([name, error]) => {
      const desired = current?.deployment.modules.get(name);
      return desired && !this.#fleet.members.has(name)
        ? [{ desired, digest: null, status: null, failure: error.message }]
        : [];
    });
    return [...there, ...failed].toSorted((a, b) => (a.desired.name < b.desired.name ? -1 : 1));
  }

  #checkName(name: string): void {
    if (!this.#facts().some(({ desired }) => desired.name === name)) throw unknownModule(name);
  }
}
