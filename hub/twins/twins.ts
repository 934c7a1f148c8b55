/**
 * All twins: rows of the journal, in the View. A patch, the note that somebody missed it, and its change
 * notification are one step; whoever is told of it is told when that is durable (J1, J8).
 *
 * A twin nobody has patched has no row: there is nothing in it. It goes with its identity.
 */
import { SandpiperError } from "../../abi/index.ts";
import type { TwinChange } from "../face.ts";
import type { Journal } from "../journal/journal.ts";
import { TABLE } from "../journal/tables.ts";
import { DesiredFollowers, type MissedPatch } from "./desired-followers.ts";
import { checkDesired, isOwnKey, type JsonObject } from "./limits.ts";
import { difference, EMPTY, mergePatch } from "./merge.ts";
import { applyReports } from "./reports.ts";
import {
  decodeTwin,
  encodeTwin,
  etagOf,
  newTwin,
  patchTwin,
  replaceSection,
  type Section,
  type Twin,
} from "./twin.ts";

export interface TwinName {
  readonly deviceId: string;
  readonly moduleId: string | null;
}

/** Where changes are announced (contract §3.2). */
export interface TwinChanges {
  /** Every queue that an announcement may lead to has room (J20). */
  readonly admits: boolean;
  /** As part of the current step. */
  announce(name: TwinName, section: "desired" | "reported", patch: JsonObject): void;
}

export interface TwinsHost {
  readonly journal: Journal;
  readonly changes: TwinChanges;
  /** Whether there is somebody of that name, patched or not. */
  exists(name: TwinName): boolean;
  /** Wall clock, ms. */
  now(): number;
}

/** Somebody who pushes changes of desired properties to whoever wants them. */
export type DesiredListener = (name: string, patch: Buffer, version: number) => void;

export class Twins {
  readonly followers: DesiredFollowers;
  readonly #host: TwinsHost;
  /** Changes that are not durable yet, by twin: what was read of them has to wait. */
  readonly #pending = new Map<string, Promise<void>>();
  readonly #onDesired: DesiredListener[] = [];

  constructor(host: TwinsHost) {
    this.#host = host;
    this.followers = new DesiredFollowers(host.journal, (key) => this.#read(key)?.desired);
  }

  /** Called for each change of desired properties, once it is durable, in order. */
  onDesired(listener: DesiredListener): void {
    this.#onDesired.push(listener);
  }

  /** Whether anybody has patched it. */
  isWritten(name: TwinName): boolean {
    return this.#read(keyOf(name)) !== undefined;
  }

  /** Desired properties in the View: for sandboxes, which may see what is not durable (J10). */
  desired(name: TwinName): Section {
    return (this.#read(keyOf(name)) ?? this.#new()).desired;
  }

  /** Durable when it resolves. @throws {SandpiperError} SP_TWIN_UNKNOWN */
  async get(name: TwinName): Promise<Twin> {
    const twin = this.#find(name);
    await this.#pending.get(keyOf(name));
    return twin;
  }

  /** What a client may do: a patch of its own reported properties. See `change`. */
  patchReported(name: TwinName, patch: unknown): Promise<Twin> {
    return this.change(name, { section: "reported", patch });
  }

  /**
   * Durable when it resolves. A change that is refused changes nothing.
   * @throws {SandpiperError} SP_TWIN_UNKNOWN, SP_TWIN_INVALID, SP_TWIN_ETAG, SP_TWIN_BUSY
   */
  async change(name: TwinName, change: TwinChange): Promise<Twin> {
    if (!this.#host.changes.admits) throw busy(textOf(name));
    const twin = this.apply(name, change);
    await this.#pending.get(keyOf(name));
    return twin;
  }

  /**
   * The change as part of the current step, whatever is full: for what must not be refused any more, such as a
   * module's result (J20). It is pushed to whoever wants it when it is durable.
   * @throws {SandpiperError} SP_TWIN_UNKNOWN, SP_TWIN_INVALID, SP_TWIN_ETAG
   */
  apply(name: TwinName, change: TwinChange): Twin {
    const before = this.#find(name);
    const { ifMatch } = change;
    if (ifMatch !== undefined && ifMatch !== etagOf(before.version)) throw stale(textOf(name));
    return this.#write(name, before, change);
  }

  /**
   * Reports of a module, JSON each, as one change and as part of the current step. Those that are refused change
   * nothing; why they were is returned. What changes nothing is not written, and not announced.
   */
  report(name: TwinName, reports: readonly Buffer[]): readonly string[] {
    const before = this.#find(name);
    const { twin, refusals } = applyReports(before, reports, this.#now());
    const told = difference(before.reported.values, twin.reported.values);
    if (Object.keys(told).length === 0) return refusals;
    void this.#put(name, twin);
    this.#host.changes.announce(name, "reported", told);
    return refusals;
  }

  #write(name: TwinName, before: Twin, { section, patch, replaces = false }: TwinChange): Twin {
    const twin = (replaces ? replaceSection : patchTwin)(before, section, patch, this.#now());
    const durable = this.#put(name, twin);
    if (section === "tags") return twin;
    const told = replaces
      ? difference(before[section].values, twin[section].values)
      : withoutOwnKeys(patch as JsonObject);
    this.#host.changes.announce(name, section, told);
    if (section === "desired") {
      this.followers.changes(keyOf(name), told, before.desired, twin.desired);
      const { version } = twin.desired;
      const bytes = Buffer.from(JSON.stringify({ ...told, $version: version }));
      void durable.then(() => {
        for (const listener of this.#onDesired) listener(textOf(name), bytes, version);
      });
    }
    return twin;
  }

  /** As part of the current step. Resolves when that is durable. */
  #put(name: TwinName, twin: Twin): Promise<void> {
    const key = keyOf(name);
    this.#host.journal.tables.put(TABLE.TWIN, key, encodeTwin(twin));
    this.#host.journal.step();
    return this.#durable(key);
  }

  /** ISO 8601. */
  #now(): string {
    return new Date(this.#host.now()).toISOString();
  }

  /**
   * Desired properties of several twins, as a deployment has them: all replaced in one step, or none. Those that
   * are so already stay as they are, version and all. Durable when it resolves. @throws SP_TWIN_INVALID
   */
  async replaceDesired(sections: readonly (readonly [name: TwinName, values: unknown])[]): Promise<void> {
    for (const [, values] of sections) checkDesired(values);
    for (const [name, values] of sections) {
      const key = keyOf(name);
      const before = this.#read(key)?.desired.values ?? EMPTY;
      const patch = mergePatch(EMPTY, values as JsonObject);
      if (Object.keys(difference(before, patch)).length === 0) continue;
      this.#write(name, this.#read(key) ?? this.#new(), { section: "desired", patch, replaces: true });
    }
    for (const [name] of sections) await this.#pending.get(keyOf(name));
  }

  /** Resolves when the current step is durable. Asked for when the step is over, lest it be split (J9). */
  #durable(key: string): Promise<void> {
    const durable = Promise.resolve()
      .then(() => this.#host.journal.durable())
      .then(() => {
        if (this.#pending.get(key) === durable) this.#pending.delete(key);
      });
    this.#pending.set(key, durable);
    return durable;
  }

  /** What a follower has missed, once that is durable; see `DesiredFollowers`. */
  async missed(name: TwinName): Promise<MissedPatch | null> {
    const missed = this.followers.missed(keyOf(name));
    await this.#pending.get(keyOf(name));
    return missed;
  }

  /** As part of the current step: whoever it was about is gone. */
  forget(name: TwinName): void {
    const key = keyOf(name);
    this.#host.journal.tables.delete(TABLE.TWIN, key);
    this.followers.forget(key);
    this.#host.journal.step();
  }

  #find(name: TwinName): Twin {
    const found = this.#read(keyOf(name));
    if (found !== undefined) return found;
    if (!this.#host.exists(name)) throw unknown(textOf(name));
    return this.#new();
  }

  #new(): Twin {
    return newTwin(this.#now());
  }

  #read(key: string): Twin | undefined {
    const row = this.#host.journal.tables.get(TABLE.TWIN, key);
    return row === undefined ? undefined : decodeTwin(row);
  }
}

const textOf = ({ deviceId, moduleId }: TwinName): string =>
  moduleId === null ? deviceId : `${deviceId}/${moduleId}`;

/** Of a row. */
export const keyOf = (name: TwinName): string => Buffer.from(textOf(name)).toString("latin1");

const withoutOwnKeys = (patch: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(patch).filter(([key]) => !isOwnKey(key)));

const unknown = (name: string): SandpiperError =>
  new SandpiperError("SP_TWIN_UNKNOWN", `twin: there is no device or module "${name}"`, {
    details: { name },
    hint: "see: sandpiper device list, sandpiper list",
  });

const busy = (name: string): SandpiperError =>
  new SandpiperError("SP_TWIN_BUSY", `twin: "${name}": a queue that takes change notifications is full`, {
    details: { name },
    hint: "try again later; see: sandpiper queue list",
  });

const stale = (name: string): SandpiperError =>
  new SandpiperError("SP_TWIN_ETAG", `twin: "${name}": was changed in between`, {
    details: { name },
    hint: "read it again",
  });
