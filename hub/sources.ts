/**
 * Sources: who a message came from, as a number in its frame. An id stands for a device, a module, or one
 * output of a module; it is assigned once, durable, never reused.
 */
import { PORTS_MAX, SandpiperError } from "../abi/index.ts";
import type { Journal } from "./journal/journal.ts";
import { TABLE } from "./journal/tables.ts";

export interface Origin {
  readonly deviceId: string;
  readonly moduleId: string | null;
  readonly output: string | null;
}

/** The module of the gateway that sends what the hub itself has to say. */
export const HUB_MODULE = "$edgeHub";
export const AGENT_MODULE = "$edgeAgent";

const UNKNOWN: Origin = { deviceId: "", moduleId: null, output: null };

export class Sources {
  readonly #journal: Journal;
  readonly #ids = new Map<string, number>();
  readonly #origins: Origin[] = [UNKNOWN];
  readonly #outputsOf = new Map<string, number>();

  constructor(journal: Journal) {
    this.#journal = journal;
    for (const [key, value] of journal.tables.entries(TABLE.SOURCE)) {
      this.#remember(Buffer.from(key, "latin1").readUInt32BE(0), value.toString());
    }
  }

  #remember(id: number, name: string): void {
    const [deviceId = "", moduleId = null, output = null] = name.split("/");
    this.#ids.set(name, id);
    this.#origins[id] = { deviceId, moduleId, output };
    if (output !== null) {
      const module = `${deviceId}/${moduleId}`;
      this.#outputsOf.set(module, (this.#outputsOf.get(module) ?? 0) + 1);
    }
  }

  /** Whether `intern` would take it: a module may not fill the table with names of outputs. */
  admits(origin: Origin): boolean {
    const { deviceId, moduleId, output } = origin;
    if (output === null || this.#ids.has(nameOf(origin))) return true;
    return (this.#outputsOf.get(`${deviceId}/${moduleId}`) ?? 0) < PORTS_MAX;
  }

  /** @throws {SandpiperError} SP_OUTPUTS_MAX when it is not admitted */
  intern(origin: Origin): number {
    const name = nameOf(origin);
    const found = this.#ids.get(name);
    if (found !== undefined) return found;
    if (!this.admits(origin)) {
      throw new SandpiperError(
        "SP_OUTPUTS_MAX",
        `module "${origin.moduleId}": more than ${PORTS_MAX} outputs`,
      );
    }
    const id = this.#origins.length;
    const key = Buffer.allocUnsafe(4);
    key.writeUInt32BE(id);
    this.#journal.tables.put(TABLE.SOURCE, key.toString("latin1"), Buffer.from(name));
    this.#journal.step();
    this.#remember(id, name);
    return id;
  }

  origin(id: number): Origin {
    return this.#origins[id] ?? UNKNOWN;
  }

  get lastId(): number {
    return this.#origins.length - 1;
  }

  /** As a module sees it: `device`, or `device/module`. */
  name(id: number): string {
    const { deviceId, moduleId } = this.origin(id);
    return moduleId === null ? deviceId : `${deviceId}/${moduleId}`;
  }
}

const nameOf = ({ deviceId, moduleId, output }: Origin): string =>
  [deviceId, moduleId, output].filter((part) => part !== null).join("/");
