/**
 * WASM modules as the hub knows them: an incarnation, key-value rows, timers, and a link while a sandbox is
 * attached. Their results are steps of the journal.
 */
import type { MessagePort } from "node:worker_threads";
import { ENTRY, SandpiperError, type Block, type Fault } from "../../abi/index.ts";
import type { Engine } from "../engine.ts";
import type { ModuleOpen, ModuleOpened } from "../face.ts";
import { applyEffects, type OutputPlan, type ResultSink } from "../endpoints/fan-out.ts";
import type { LetterOrigin } from "../endpoints/letter.ts";
import { ModuleLink, type LinkHost, type SentBatch, type Suspect } from "../endpoints/module-link.ts";
import { TABLE } from "../journal/tables.ts";
import type { MethodTargetName } from "../methods/method-call.ts";
import type { MethodTarget } from "../methods/methods.ts";
import type { Target } from "../router/router.ts";
import { messagePath, TWIN_CHANGE_PATH } from "../router/source.ts";
import { ModuleServices, type ServicesHost } from "./module-services.ts";
import { ModuleTimers } from "./module-timers.ts";

/** How long a module that is closed politely may take to return what it has in hand, ms (J27). */
const DRAIN_MS_MAX = 5_000;

interface Attached {
  readonly spec: ModuleOpen;
  readonly link: ModuleLink;
  readonly timers: ModuleTimers;
  readonly services: ModuleServices | null;
  outputs: readonly OutputPlan[];
  /** Where changes of its reported properties are announced, if it has any. */
  changes: readonly Target[];
  outputsVersion: number;
}

export class Modules {
  readonly #engine: Engine;
  readonly #gatewayId: string;
  readonly #attached = new Map<string, Attached>();
  /** Where a fault is being pinned down, over the incarnations of a module. */
  readonly #suspects = new Map<string, Suspect>();
  #services: ServicesHost | null = null;

  constructor(engine: Engine, gatewayId: string) {
    this.#engine = engine;
    this.#gatewayId = gatewayId;
  }

  /** From now on modules have twins, and methods; these in turn find modules here. */
  serve({ twins, methods }: Pick<ServicesHost, "twins" | "methods">): void {
    const engine = this.#engine;
    this.#services = {
      gatewayId: this.#gatewayId,
      twins,
      methods,
      metrics: engine.metrics,
      durable: () => Promise.resolve().then(() => engine.journal.durable()),
    };
    const prefix = `${this.#gatewayId}/`;
    twins.onDesired((name) => {
      if (name.startsWith(prefix)) this.#attached.get(name.slice(prefix.length))?.services?.desiredChanged();
    });
  }

  /** A module that can be called by its methods now. */
  methodTarget({ deviceId, moduleId }: MethodTargetName): MethodTarget | null {
    if (deviceId !== this.#gatewayId || moduleId === null) return null;
    return this.#attached.get(moduleId)?.services?.target ?? null;
  }

  has(name: string): boolean {
    return this.#attached.has(name);
  }

  /** It was opened once, and not forgotten since. */
  isKnown(name: string): boolean {
    return this.#row(name) !== null;
  }

  /** Durable when it resolves. @throws SP_MODULE_OPEN when an incarnation is still attached */
  async open(spec: ModuleOpen, port: MessagePort): Promise<ModuleOpened> {
    if (this.#attached.has(spec.name)) {
      throw new SandpiperError("SP_MODULE_OPEN", `module "${spec.name}": still attached`);
    }
    const row = this.#countIncarnation(spec.name);
    const sourceIds = spec.outputs.map((output) =>
      this.#engine.sources.intern({ deviceId: this.#gatewayId, moduleId: spec.name, output }),
    );
    const inputs = spec.inputs.map((input) => this.#engine.endpoints.open(`${spec.name}/${input}`));
    const link = new ModuleLink(port, this.#hostOf(spec), inputs, this.#suspects.get(spec.name) ?? null);
    const attached: Attached = {
      spec,
      link,
      timers: new ModuleTimers(spec.timers),
      services: this.#servicesOf(spec, link),
      outputs: [],
      changes: [],
      outputsVersion: 0,
    };
    this.#attached.set(spec.name, attached);
    for (const endpoint of inputs) {
      // Somebody on the network may have consumed under this name: what it did not settle is the module's now.
      endpoint.consumer?.leave(endpoint);
      endpoint.consumer = attached.link;
    }
    await this.#engine.journal.durable();
    const desired = attached.services?.desired;
    return {
      incarnation: row.incarnation,
      outputSources: sourceIds,
      kv: this.keyValues(spec.name),
      ...(desired ? { desired } : {}),
    };
  }

  #servicesOf(spec: ModuleOpen, link: ModuleLink): ModuleServices | null {
    if (this.#services === null) return null;
    const { twins } = this.#services;
    const name = { deviceId: this.#gatewayId, moduleId: spec.name };
    const { desired = {}, capabilities } = spec;
    if (Object.keys(desired).length > 0 && capabilities.includes("twin") && !twins.isWritten(name)) {
      twins.apply(name, { section: "desired", patch: desired, replaces: true });
    }
    return new ModuleServices(spec, link, this.#services);
  }

  #countIncarnation(name: string): { readonly id: number; readonly incarnation: number } {
    const { tables } = this.#engine.journal;
    const last = this.#row(name);
    const id = last?.id ?? (tables.get(TABLE.META, "nextModule")?.readUInt32LE(0) ?? 0) + 1;
    const incarnation = (last?.incarnation ?? 0) + 1;
    if (last === null) tables.put(TABLE.META, "nextModule", words(id));
    tables.put(TABLE.MODULE, binary(name), words(id, incarnation));
    this.#engine.journal.step();
    return { id, incarnation };
  }

  #row(name: string): { readonly id: number; readonly incarnation: number } | null {
    const row = this.#engine.journal.tables.get(TABLE.MODULE, binary(name));
    return row === undefined ? null : { id: row.readUInt32LE(0), incarnation: row.readUInt32LE(4) };
  }

  ready(name: string): void {
    const attached = this.#attachedOf(name);
    attached.link.open();
    attached.timers.start(attached.link, () => this.#engine.journal.powered.now());
    attached.services?.ready();
  }

  async close(
    name: string,
    how: { readonly drain: boolean; readonly fault?: Fault },
  ): Promise<{ readonly pinned: boolean }> {
    const attached = this.#attached.get(name);
    if (attached === undefined) return { pinned: false };
    attached.timers.stop();
    if (how.drain) await attached.link.drain(DRAIN_MS_MAX);
    const { pinned, suspect } = attached.link.close(how.fault ?? null);
    attached.services?.close();
    if (suspect === null) this.#suspects.delete(name);
    else this.#suspects.set(name, suspect);
    for (const endpoint of this.#engine.endpoints.all()) {
      if (endpoint.consumer === attached.link) endpoint.consumer = null;
    }
    this.#attached.delete(name);
    this.#engine.stepped();
    await this.#engine.journal.durable();
    return { pinned };
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#attached.keys()].map((name) => this.close(name, { drain: true })));
  }

  async forget(name: string): Promise<void> {
    const row = this.#row(name);
    if (row === null) return;
    const { tables } = this.#engine.journal;
    for (const [key] of tables.entries(TABLE.KV, kvPrefix(row.id))) tables.delete(TABLE.KV, key);
    tables.delete(TABLE.MODULE, binary(name));
    this.#suspects.delete(name);
    this.#engine.journal.step();
    await this.#engine.journal.durable();
  }

  keyValues(name: string): (readonly [key: Uint8Array, value: Uint8Array])[] {
    const row = this.#row(name);
    if (row === null) return [];
    const prefix = kvPrefix(row.id);
    const rows = [...this.#engine.journal.tables.entries(TABLE.KV, prefix)];
    return rows.map(([key, value]) => [
      new Uint8Array(Buffer.from(key.slice(prefix.length), "latin1")),
      new Uint8Array(value),
    ]);
  }

  #attachedOf(name: string): Attached {
    const attached = this.#attached.get(name);
    if (attached === undefined)
      throw new SandpiperError("SP_MODULE_UNKNOWN", `module "${name}": not attached`);
    return attached;
  }

  #hostOf(spec: ModuleOpen): LinkHost {
    const engine = this.#engine;
    const sink = this.#sinkOf(spec);
    return {
      nowWall: () => engine.wallNow,
      nowPowered: () => engine.poweredNow,
      hasRoom: () => !engine.journal.isCongested && !this.#isOutputFull(spec.name),
      sourcesAfter: (id) => sourcesAfter(engine, id),
      applyResult: (result, batch) => {
        engine.stepped();
        engine.metrics.module_results++;
        engine.metrics.module_records += batch.count;
        applyEffects(result, batch, sink(batch));
        this.#attachedOf(spec.name).services?.applied();
      },
      bury: (batch, reason) =>
        engine.bury(batch.endpoint, spec.digest, batch.block, batch.from + ENTRY.SIZE, {
          ...reason,
          ...originOf(batch),
        }),
      expired: (lane, count) => engine.expired(lane, count),
      stepped: (lane) => {
        if (lane !== null && !lane.deleted) engine.journal.touch(lane);
        engine.journal.step();
        engine.roomChanged();
        engine.stepped();
      },
    };
  }

  #sinkOf(spec: ModuleOpen): (batch: SentBatch) => ResultSink {
    const engine = this.#engine;
    const prefix = kvPrefix(this.#row(spec.name)!.id);
    return (batch) => ({
      ingress: engine,
      output: (port) => this.#output(spec.name, port),
      keyValue: (key, value) => {
        if (value === null) engine.journal.tables.delete(TABLE.KV, prefix + key);
        else engine.journal.tables.put(TABLE.KV, prefix + key, value);
      },
      feature: (kind: number, block: Block, at: number) =>
        this.#attachedOf(spec.name).services?.take(kind, block, at),
      bury: (block, frame, reason) =>
        engine.bury(batch.endpoint, spec.digest, block, frame, { ...reason, ...originOf(batch) }),
    });
  }

  /** An input that a result may lead to is full. Its own do not count: only itself can drain them. */
  #isOutputFull(name: string): boolean {
    const own = `${name}/`;
    const isFull = (targets: readonly Target[]): boolean =>
      targets.some(({ endpoint }) => endpoint.isFull && !endpoint.name.startsWith(own));
    return (
      this.#outputs(name).some(({ targets }) => isFull(targets)) || isFull(this.#attachedOf(name).changes)
    );
  }

  #output(name: string, port: number): OutputPlan {
    const plan = this.#outputs(name)[port];
    if (plan === undefined) throw new Error(`module "${name}": output port ${port}`);
    return plan;
  }

  /** Plans of the outputs, made anew when the routes have changed. */
  #outputs(name: string): readonly OutputPlan[] {
    const attached = this.#attachedOf(name);
    if (attached.outputsVersion !== this.#engine.routesVersion) {
      attached.outputsVersion = this.#engine.routesVersion;
      const hasTwin = attached.spec.capabilities.includes("twin");
      attached.changes = hasTwin ? this.#engine.targets(TWIN_CHANGE_PATH) : [];
      attached.outputs = attached.spec.outputs.map((output) => {
        const origin = { deviceId: this.#gatewayId, moduleId: name, output };
        const sourceId = this.#engine.sources.intern(origin);
        return { origin, sourceId, targets: this.#engine.targets(messagePath(origin)) };
      });
    }
    return attached.outputs;
  }
}

/** What is known of the entries of a batch, for those that die. */
const originOf = ({ lane, attempt }: SentBatch): LetterOrigin =>
  lane === null ? {} : { priority: lane.priority, attempt };

function sourcesAfter(engine: Engine, id: number): { last: number; names: (readonly [number, string])[] } {
  const last = engine.sources.lastId;
  const names: (readonly [number, string])[] = [];
  for (let next = id + 1; next <= last; next++) names.push([next, engine.sources.name(next)]);
  return { last, names };
}

const binary = (name: string): string => Buffer.from(name).toString("latin1");
const kvPrefix = (id: number): string => words(id).toString("latin1");

function words(...values: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value, 4 * i));
  return bytes;
}
