/**
 * The twin of one module while a sandbox is attached: it is told of changes of its desired properties, and
 * reports its own. Changes that come while it is busy with one come as one: what it is told is the difference
 * to what it was told before, so that nothing gathers however many there are.
 */
import type { ControlRecord } from "../endpoints/module-link.ts";
import { difference } from "../twins/merge.ts";
import type { Section } from "../twins/twin.ts";
import type { TwinName, Twins } from "../twins/twins.ts";
import { desiredRecord } from "./feature-records.ts";

/** Reports of one result that are looked at: one for each record, and as many again. */
const REPORTS_MAX = 1_024;

export class ModuleTwin {
  readonly #name: TwinName;
  readonly #twins: Twins;
  readonly #handOver: (record: ControlRecord) => void;
  /** Desired properties as the module has them, or will when it has handled what is under way. */
  #told: Section;
  #isTelling = false;
  #reports: Buffer[] = [];

  /** What the module begins with is `desired`. */
  constructor(name: TwinName, twins: Twins, handOver: (record: ControlRecord) => void) {
    this.#name = name;
    this.#twins = twins;
    this.#handOver = handOver;
    this.#told = twins.desired(name);
  }

  get desired(): Section {
    return this.#told;
  }

  /** Desired properties may have changed. Call it once more when the module is ready. */
  changed(): void {
    if (this.#isTelling) return;
    const now = this.#twins.desired(this.#name);
    const patch = difference(this.#told.values, now.values);
    this.#told = now;
    if (Object.keys(patch).length === 0) return;
    this.#isTelling = true;
    const told = (): void => {
      this.#isTelling = false;
      this.changed();
    };
    const entry = desiredRecord(now.version, jsonOf(patch), jsonOf(now.values));
    // An incarnation that it ended is not told any more; the next one begins with it.
    this.#handOver({ entry, handled: told, blamed: () => undefined });
  }

  /** Whether there is room for it. */
  report(read: () => Buffer): boolean {
    if (this.#reports.length >= REPORTS_MAX) return false;
    this.#reports.push(read());
    return true;
  }

  /** Takes the reports of one result over into the twin, as part of its step. Returns why some were refused. */
  applyReports(): readonly string[] {
    if (this.#reports.length === 0) return [];
    const reports = this.#reports;
    this.#reports = [];
    return this.#twins.report(this.#name, reports);
  }
}

const jsonOf = (value: object): Buffer => Buffer.from(JSON.stringify(value));
