/**
 * The registry of identities: rows of the journal, in the View. A name is `device` or `device/module`.
 */
import { NAME_BYTES_MAX, SandpiperError } from "../../abi/index.ts";
import type { Identity } from "../face.ts";
import type { Journal } from "../journal/journal.ts";
import { TABLE } from "../journal/tables.ts";

/** IoT Hub's characters of a device id; a module id has no `#`. */
const DEVICE_ID = /^[A-Za-z0-9\-:.+%_#*?!(),=@$']+$/;

export class Identities {
  readonly #journal: Journal;
  readonly #byName = new Map<string, Identity>();

  constructor(journal: Journal) {
    this.#journal = journal;
    for (const [, value] of journal.tables.entries(TABLE.IDENTITY)) {
      const identity = JSON.parse(value.toString()) as Identity;
      this.#byName.set(nameOf(identity.deviceId, identity.moduleId ?? null), identity);
    }
  }

  find(deviceId: string, moduleId: string | null): Identity | undefined {
    return this.#byName.get(nameOf(deviceId, moduleId));
  }

  all(): Identity[] {
    return [...this.#byName.values()];
  }

  /** Durable when it resolves. @throws SP_IDENTITY_NAME, SP_IDENTITY_EXISTS */
  async add(identity: Identity): Promise<void> {
    const { deviceId, moduleId } = identity;
    for (const id of moduleId === undefined ? [deviceId] : [deviceId, moduleId]) {
      if (!DEVICE_ID.test(id) || id.length > NAME_BYTES_MAX) {
        throw new SandpiperError("SP_IDENTITY_NAME", `identity: "${id}" is not a device or module id`, {
          hint: "letters, digits and - : . + % _ # * ? ! ( ) , = @ $ ', at most 128",
        });
      }
    }
    const name = nameOf(deviceId, moduleId ?? null);
    if (this.#byName.has(name)) {
      throw new SandpiperError("SP_IDENTITY_EXISTS", `identity: "${name}" exists already`, {
        hint: `remove it first: sandpiper device remove ${deviceId}`,
      });
    }
    this.#byName.set(name, identity);
    this.#journal.tables.put(
      TABLE.IDENTITY,
      Buffer.from(name).toString("latin1"),
      Buffer.from(JSON.stringify(identity)),
    );
    this.#journal.step();
    await this.#journal.durable();
  }

  /** Durable when it resolves. @throws SP_IDENTITY_UNKNOWN */
  async remove(deviceId: string, moduleId: string | null): Promise<void> {
    const name = nameOf(deviceId, moduleId);
    if (!this.#byName.delete(name)) {
      throw new SandpiperError("SP_IDENTITY_UNKNOWN", `identity: "${name}" does not exist`, {
        hint: "see: sandpiper device list",
      });
    }
    this.#journal.tables.delete(TABLE.IDENTITY, Buffer.from(name).toString("latin1"));
    this.#journal.step();
    await this.#journal.durable();
  }
}

const nameOf = (deviceId: string, moduleId: string | null): string =>
  moduleId === null ? deviceId : `${deviceId}/${moduleId}`;
