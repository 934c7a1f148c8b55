/** The modules that are there, each with its supervisor, and word of any change among them. */
import { ModuleError, unknownModule } from "../supervisor/errors.ts";
import { Supervisor, type ModuleStatus, type SupervisorContext } from "../supervisor/supervisor.ts";
import type { ResolvedModule } from "./resolve.ts";

export interface Member {
  readonly resolved: ResolvedModule;
  readonly supervisor: Supervisor;
}

export class Fleet {
  readonly #context: SupervisorContext;
  readonly #members = new Map<string, Member>();
  readonly #listeners = new Set<() => void>();

  constructor(context: SupervisorContext) {
    this.#context = context;
  }

  get members(): ReadonlyMap<string, Member> {
    return this.#members;
  }

  /** What was last wanted of each module that is there. */
  get resolved(): ReadonlyMap<string, ResolvedModule> {
    return new Map([...this.#members].map(([name, { resolved }]) => [name, resolved]));
  }

  /** @throws {ModuleError} SP_MODULE_UNKNOWN */
  supervisor(name: string): Supervisor {
    const member = this.#members.get(name);
    if (!member) throw unknownModule(name);
    return member.supervisor;
  }

  status(name: string): ModuleStatus {
    return this.supervisor(name).status;
  }

  /** Calls `listener` after each change of any module's status, until the returned function is called. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(resolved: ResolvedModule): Supervisor {
    const { name, restartPolicy } = resolved.desired;
    if (this.#members.has(name)) throw new ModuleError("SP_INTERNAL", `module "${name}": is there already`);
    const supervisor = new Supervisor(resolved.run, restartPolicy, this.#context, () => {
      for (const listener of this.#listeners) listener();
    });
    this.#members.set(name, { resolved, supervisor });
    return supervisor;
  }

  /** Takes over settings that do not touch what runs. */
  adopt(resolved: ResolvedModule): Supervisor {
    const { name, restartPolicy } = resolved.desired;
    const supervisor = this.supervisor(name);
    const before = this.#members.get(name)!.resolved.desired;
    supervisor.setConfig(resolved.run);
    this.#members.set(name, { resolved, supervisor });
    if (before.restartPolicy !== restartPolicy) supervisor.setPolicy(restartPolicy);
    return supervisor;
  }

  /** Resolves when nothing of it is left running. */
  async remove(name: string): Promise<void> {
    await this.supervisor(name).stop();
    this.#members.delete(name);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#members.values()].map(({ supervisor }) => supervisor.stop()));
  }
}
