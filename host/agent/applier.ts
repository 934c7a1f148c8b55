/**
 * Brings deployments about, one at a time, and never leaves the gateway worse than before.
 *
 * Invariants. Until everything of a deployment is fetched, verified, compiled, admitted, saved and its routes
 * accepted, nothing that runs is touched. What does not become healthy is rolled back. What has left the
 * deployment is forgotten only once there is no way back to it. What a boot needs lies in files of the agent's
 * own, outside the journal (A26), and a boot uses no network.
 */
import type { Hub, RouteTable } from "../../hub/face.ts";
import type { ArtifactStore } from "../artifacts/artifact-store.ts";
import { EMPTY_TRUST_POLICY, readTrustPolicy, type TrustPolicy } from "../artifacts/trust.ts";
import type { ModuleLogs } from "../supervisor/module-log.ts";
import { chooseBoot } from "./boot-choice.ts";
import { decodeDeployment } from "./deployment.ts";
import type { DeploymentFiles, DeploymentRecord, DesiredRecord } from "./deployment-files.ts";
import { makePlan } from "./planner.ts";
import { runPlan } from "./plan-runner.ts";
import { resolveDeployment, type Admit, type ResolvedDeployment } from "./resolve.ts";
import { routeWarnings } from "./route-warnings.ts";
import { stateRefusal } from "./state-schema.ts";
import { combinedFailure, refusalOf, statusOf, type DeploymentStatus } from "./status.ts";
import { switchTo, type SwitchContext, type SwitchResult } from "./switch.ts";

export interface ApplierContext extends Omit<SwitchContext, "hub"> {
  readonly hub: Pick<Hub, "setRoutes" | "settleRoutes" | "setModuleTwins" | "forgetModule">;
  readonly admit: Admit;
  readonly trustPath: string;
  readonly store: ArtifactStore;
  readonly files: DeploymentFiles;
  readonly logs: Pick<ModuleLogs, "remove">;
}

export interface Booted {
  readonly status: DeploymentStatus;
  /** A deployment that was under way when the gateway went down; see `resume`. */
  readonly resume: DesiredRecord | null;
}

type Wanted = Pick<DesiredRecord, "version" | "json" | "baseDir" | "digests" | "attempts">;
type Outcome = NonNullable<DesiredRecord["outcome"]>;

export class Applier {
  readonly #context: ApplierContext;
  #version = 0;
  #routes: RouteTable | null = null;
  #current: ResolvedDeployment | null = null;
  #lastGood: ResolvedDeployment | null = null;
  /** Modules of which the hub may hold state. */
  readonly #remembered = new Set<string>();

  constructor(context: ApplierContext) {
    this.#context = context;
  }

  /** What runs, or was left running. */
  get current(): ResolvedDeployment | null {
    return this.#current;
  }

  /** Never rejects. */
  async boot(): Promise<Booted> {
    const { files, log } = this.#context;
    const [desired, lastGood] = await Promise.all([files.loadDesired(), files.loadLastGood()]);
    const { start, resume, problems } = chooseBoot(desired, lastGood);
    this.#version = Math.max(0, desired.record?.version ?? 0, lastGood.record?.version ?? 0);
    for (const problem of problems) log.error({ why: problem }, "boot cannot use a deployment file");
    const told = [...problems];
    try {
      if (start) told.push(...(await this.#start(start, desired.record)));
    } catch (error) {
      log.error({ err: error }, "boot failed");
      return { status: refusalOf(this.#version, error), resume };
    }
    // Should the last settling have been cut off. What is resumed may be the way back, and settles by itself.
    if (start && resume === null && told.length === 0) await this.#settleRoutes();
    return { status: this.#bootStatus(start, desired.record, told), resume };
  }

  /** Tries again what was under way; counted before it begins, in case it is what brings the gateway down. */
  async resume(record: DesiredRecord): Promise<DeploymentStatus> {
    const again = { ...record, attempts: record.attempts + 1 };
    this.#context.log.info({ version: record.version, attempt: again.attempts }, "deployment is resumed");
    try {
      await this.#context.files.saveDesired(again);
    } catch (error) {
      return refusalOf(record.version, error);
    }
    return this.#apply(again);
  }

  /** Never rejects: what was refused or rolled back is a status. */
  apply(json: unknown, baseDir: string): Promise<DeploymentStatus> {
    return this.#apply({ version: this.#version + 1, json, baseDir, digests: [], attempts: 1 });
  }

  /** Gives a hub that was re-made the routes that were in force. */
  async restoreRoutes(): Promise<void> {
    if (this.#routes) await this.#context.hub.setRoutes(this.#routes);
  }

  async #apply(wanted: Wanted): Promise<DeploymentStatus> {
    const { log } = this.#context;
    this.#version = wanted.version;
    let next: ResolvedDeployment;
    let record: DeploymentRecord;
    try {
      next = await this.#prepare(wanted);
      record = this.#recordOf(next, wanted);
      await this.#activateRoutes(next, { ...record, attempts: wanted.attempts, outcome: null });
    } catch (error) {
      const status = refusalOf(wanted.version, error);
      log.warn({ version: wanted.version, code: status.error?.code, err: error }, "deployment refused");
      // Some of its artifacts may have come in. Without knowing what runs, nothing is thrown away.
      if (this.#current) await this.#collect();
      return status;
    }
    for (const warning of next.deployment.warnings)
      log.warn({ version: next.version, warning }, "deployment accepted with a warning");
    this.#current = next;
    for (const name of next.modules.keys()) this.#remembered.add(name);
    const result = await switchTo(next, this.#lastGood, this.#context);
    return this.#settle(next, { ...record, attempts: wanted.attempts }, result);
  }

  /** Everything that can be refused, before anything is touched. */
  async #prepare({ version, json, baseDir, digests }: Wanted): Promise<ResolvedDeployment> {
    const { trustPath, store, admit, fleet } = this.#context;
    const next = await resolveDeployment(decodeDeployment(json), {
      version,
      baseDir,
      digests: new Map(digests),
      trust: await readTrustPolicy(trustPath),
      store,
      admit,
      configs: this.#current?.configs ?? new Map(),
      previous: fleet.resolved,
    });
    const refusal = combinedFailure(next) ?? stateRefusal(next.modules, fleet.resolved);
    if (refusal) throw refusal;
    const ports = new Map([...next.modules].map(([name, { run }]) => [name, run.manifest]));
    const strays = routeWarnings(next.deployment.routes.routes, ports);
    return {
      ...next,
      deployment: { ...next.deployment, warnings: [...next.deployment.warnings, ...strays] },
    };
  }

  /** Saved first: a hub that has new routes must never meet an agent that knows nothing of them. */
  async #activateRoutes(next: ResolvedDeployment, record: DesiredRecord): Promise<void> {
    const { files, hub } = this.#context;
    await files.saveDesired(record);
    try {
      await hub.setRoutes(next.deployment.routes);
      await hub.setModuleTwins(Object.fromEntries(next.deployment.configs));
    } catch (error) {
      const { code, description } = refusalOf(next.version, error);
      await this.#saveOutcome(record, { code, description, runs: false });
      throw error;
    }
    this.#routes = next.deployment.routes;
  }

  async #settle(
    next: ResolvedDeployment,
    record: Omit<DesiredRecord, "outcome">,
    result: SwitchResult,
  ): Promise<DeploymentStatus> {
    const { log } = this.#context;
    const { version } = next;
    const { warnings } = next.deployment;
    if (result.result === "interrupted") {
      return statusOf(version, 406, "the gateway stopped before the deployment was settled", { warnings });
    }
    if (result.result === "unhealthy") {
      const { why, back } = result;
      log.error({ version, why }, back ? "deployment rolled back" : "deployment is not healthy");
      if (back) {
        this.#current = back;
        this.#routes = back.deployment.routes;
      }
      await this.#saveOutcome(record, { code: 500, description: why, runs: back === null });
      const dropped = back && result.hasRoutes ? await this.#settleRoutes() : [];
      if (back) await this.#cleanUp(back);
      return statusOf(version, 500, why, {
        warnings: [...warnings, ...dropped],
        rolledBackTo: back?.version ?? null,
      });
    }
    this.#lastGood = next;
    const description = await this.#saveLastGood(record);
    await this.#saveOutcome(record, { code: 200, description: "", runs: true });
    const dropped = description === "" ? await this.#settleRoutes() : [];
    if (description === "") await this.#cleanUp(next);
    log.info({ version, modules: next.modules.size }, "deployment applied");
    return statusOf(version, description === "" ? 200 : 500, description, {
      warnings: [...warnings, ...dropped],
    });
  }

  /**
   * There is no way back from the routes in force: queues that they do not reach go (J28). Returns what an
   * operator must hear of. Failing here only costs space: it is tried again after the next deployment.
   */
  async #settleRoutes(): Promise<string[]> {
    const { hub, log } = this.#context;
    try {
      const dropped = await hub.settleRoutes();
      return dropped.map(({ endpoint, messages, bytes }) => {
        log.warn({ endpoint, messages, bytes }, "queue deleted: no route leads to it any more");
        return `queue "${endpoint}" was deleted, since no route leads to it any more: it held ${messages} messages, ${bytes} bytes`;
      });
    } catch (error) {
      log.warn({ err: error }, "queues without a route could not be deleted");
      return [];
    }
  }

  /** A deployment that runs and cannot be saved goes on running; the next boot would bring back an older one. */
  async #saveLastGood(record: DeploymentRecord): Promise<string> {
    const { files, log } = this.#context;
    const { version, savedAt, baseDir, json, digests, configs } = record;
    try {
      await files.saveLastGood({ version, savedAt, baseDir, json, digests, configs });
      return "";
    } catch (error) {
      log.error({ version, err: error }, "deployment runs but could not be saved");
      return `runs, but the next boot would not bring it back: ${(error as Error).message}`;
    }
  }

  async #saveOutcome(record: Omit<DesiredRecord, "outcome">, outcome: Outcome): Promise<void> {
    const { files, log } = this.#context;
    await files.saveDesired({ ...record, outcome }).catch((error: unknown) => {
      log.warn({ version: record.version, err: error }, "outcome of a deployment could not be saved");
    });
  }

  /** Forgets what is in neither what runs nor what could be gone back to. Failing here only costs space. */
  async #cleanUp(running: ResolvedDeployment): Promise<void> {
    const { hub, logs, log } = this.#context;
    const kept = [running, this.#lastGood].filter((deployment) => deployment !== null);
    const gone = [...this.#remembered].filter(
      (name) => !kept.some(({ deployment }) => deployment.modules.has(name)),
    );
    try {
      for (const name of gone) {
        await hub.forgetModule(name);
        await logs.remove(name);
        this.#remembered.delete(name);
      }
    } catch (error) {
      log.warn(
        { err: error },
        "modules that left could not be forgotten, to be tried after the next deployment",
      );
    }
    await this.#collect();
  }

  /** Deletes artifacts of neither what runs nor what could be gone back to. */
  async #collect(): Promise<void> {
    const { store, log } = this.#context;
    const kept = [this.#current, this.#lastGood].flatMap((deployment) => [
      ...(deployment?.digests.values() ?? []),
    ]);
    await store.collect(new Set(kept)).catch((error: unknown) => {
      log.warn({ err: error }, "artifacts could not be cleaned up");
    });
  }

  /** Starts what can be started; returns what an operator must hear of. */
  async #start(record: DeploymentRecord, desired: DesiredRecord | null): Promise<string[]> {
    const { hub, fleet, store, admit, log } = this.#context;
    const problems: string[] = [];
    const next = await resolveDeployment(decodeDeployment(record.json), {
      version: record.version,
      baseDir: record.baseDir,
      digests: new Map(record.digests),
      trust: await this.#trustOrNone(problems),
      store,
      admit,
      configs: new Map(record.configs),
      previous: new Map(),
    });
    for (const [module, failure] of next.failures) {
      log.error({ module, code: failure.code, err: failure }, "module cannot be started");
      problems.push(failure.message);
    }
    this.#current = next;
    // Kept running for want of a better one, it is nothing to go back to.
    const isGood = desired?.version !== record.version || desired.outcome?.code !== 500;
    this.#lastGood = isGood ? next : null;
    if (isGood && record === desired) await this.#saveLastGood(record);
    this.#routes = next.deployment.routes;
    for (const name of next.deployment.modules.keys()) this.#remembered.add(name);
    for (const [name] of desired?.digests ?? []) this.#remembered.add(name);
    try {
      await hub.setRoutes(next.deployment.routes);
    } catch (error) {
      log.error({ err: error }, "routes could not be set at boot");
      problems.push((error as Error).message);
    }
    await runPlan(makePlan(next.modules, fleet.resolved), fleet);
    return problems;
  }

  async #trustOrNone(problems: string[]): Promise<TrustPolicy> {
    try {
      return await readTrustPolicy(this.#context.trustPath);
    } catch (error) {
      problems.push((error as Error).message);
      return EMPTY_TRUST_POLICY;
    }
  }

  #bootStatus(
    start: DeploymentRecord | null,
    desired: DesiredRecord | null,
    problems: readonly string[],
  ): DeploymentStatus {
    if (problems.length > 0) return statusOf(this.#version, 500, problems.join("; "));
    if (desired?.outcome && desired.version === this.#version) {
      const { code, description, runs } = desired.outcome;
      return statusOf(desired.version, code, description, {
        rolledBackTo: runs ? null : (start?.version ?? null),
      });
    }
    return start ? statusOf(start.version, 200, "") : statusOf(this.#version, 417, "no deployment yet");
  }

  #recordOf(next: ResolvedDeployment, { json, baseDir }: Wanted): DeploymentRecord {
    return {
      version: next.version,
      savedAt: new Date(this.#context.clock.wallMs()).toISOString(),
      baseDir,
      json,
      digests: [...next.digests],
      configs: [...next.configs],
    };
  }
}
