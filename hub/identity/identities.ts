/**
 * The registry of identities: rows of the journal, in the View, sealed on disk. A module goes with its device, and
 * counts as disabled with it. A child stays without its parent.
 */
import { SandpiperError } from "../../abi/index.ts";
import type { Authentication, Identity, IdentityChange, NewIdentity } from "../face.ts";
import type { Journal } from "../journal/journal.ts";
import { TABLE } from "../journal/tables.ts";
import { certificateFault, nameOf, refuseMalformed, thumbprintsOf, toIdentity } from "./identity.ts";
import { newKey } from "./keys.ts";
import { decodeRow, encodeRow } from "./sealed-row.ts";
import type { Vault } from "./vault.ts";

export interface IdentitiesOptions {
  readonly journal: Journal;
  /** May be a parent without being registered. */
  readonly gatewayId: string;
  /** `null`: rows lie in the clear. */
  readonly vault: Vault | null;
}

export class Identities {
  readonly #options: IdentitiesOptions;
  readonly #byName = new Map<string, Identity>();
  /** Name of the device that each thumbprint is pinned to. */
  readonly #byThumbprint = new Map<string, string>();

  /**
   * Seals rows that an older gateway left in the clear; durable with the next group. Nothing is changed when one
   * of them does not open.
   * @throws {SandpiperError} SP_VAULT_SEALED, SP_VAULT_FILE
   */
  constructor(options: IdentitiesOptions) {
    this.#options = options;
    const { journal, vault } = options;
    const stale: Identity[] = [];
    for (const [key, row] of journal.tables.entries(TABLE.IDENTITY)) {
      const { identity, isStale } = decodeRow(textOf(key), row, vault);
      this.#remember(identity);
      if (isStale) stale.push(identity);
    }
    if (stale.length === 0) return;
    for (const identity of stale) this.#write(identity);
    journal.step();
  }

  find(deviceId: string, moduleId: string | null): Identity | undefined {
    const found = this.#byName.get(nameOf(deviceId, moduleId));
    const isOff =
      moduleId !== null && found?.enabled === true && this.#byName.get(deviceId)?.enabled === false;
    return isOff ? { ...found, enabled: false } : found;
  }

  /** The device that a certificate of this thumbprint is pinned to. */
  pinnedBy(thumbprint: string): Identity | undefined {
    return this.#byName.get(this.#byThumbprint.get(thumbprint) ?? "");
  }

  all(): Identity[] {
    return [...this.#byName.values()];
  }

  /** Durable when it resolves. @throws SP_IDENTITY_NAME, SP_IDENTITY_CERTIFICATE, SP_IDENTITY_EXISTS, SP_IDENTITY_PARENT */
  async add(given: NewIdentity): Promise<Identity> {
    const identity = toIdentity(given);
    refuseMalformed(identity);
    const name = nameOf(identity.deviceId, identity.moduleId ?? null);
    if (this.#byName.has(name)) {
      throw new SandpiperError("SP_IDENTITY_EXISTS", `identity: "${name}" exists already`, {
        hint: `remove it first: sandpiper device remove ${identity.deviceId}`,
      });
    }
    await this.#put(identity);
    return identity;
  }

  /** Durable when it resolves. @throws as `add`, and SP_IDENTITY_UNKNOWN */
  async change(change: IdentityChange): Promise<Identity> {
    const { deviceId, moduleId, enabled, parent } = change;
    const known = this.#known(deviceId, moduleId ?? null);
    const authentication = change.authentication ?? known.authentication;
    const { parent: parentBefore, ...rest } = known;
    const parentNow = parent === undefined ? parentBefore : (parent ?? undefined);
    const changed = toIdentity({
      ...rest,
      enabled: enabled ?? known.enabled,
      authentication: change.renew === undefined ? authentication : renewed(known, change.renew),
      ...(parentNow === undefined ? {} : { parent: parentNow }),
    });
    refuseMalformed(changed);
    await this.#put(changed);
    return changed;
  }

  /**
   * With its modules, in one step. Durable when it resolves, to the names of all that went.
   * @throws SP_IDENTITY_UNKNOWN
   */
  async remove(deviceId: string, moduleId: string | null): Promise<readonly Identity[]> {
    this.#known(deviceId, moduleId);
    const gone = this.goneWith(deviceId, moduleId);
    for (const identity of gone) this.#delete(identity);
    if (moduleId === null) {
      for (const { parent: _, ...child } of this.childrenOf(deviceId)) this.#replace(child);
    }
    this.#options.journal.step();
    await this.#options.journal.durable();
    return gone;
  }

  /** What shares the fate of an identity: itself, and of a device its modules. None when it does not exist. */
  goneWith(deviceId: string, moduleId: string | null): Identity[] {
    if (!this.#byName.has(nameOf(deviceId, moduleId))) return [];
    const isOf = (one: Identity) => one.deviceId === deviceId && (moduleId ?? one.moduleId) === one.moduleId;
    return this.all().filter(isOf);
  }

  childrenOf(deviceId: string): Identity[] {
    return this.all().filter(({ parent }) => parent === deviceId);
  }

  #known(deviceId: string, moduleId: string | null): Identity {
    const name = nameOf(deviceId, moduleId);
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    throw new SandpiperError("SP_IDENTITY_UNKNOWN", `identity: "${name}" does not exist`, {
      hint: "see: sandpiper device list",
    });
  }

  async #put(identity: Identity): Promise<void> {
    this.#refuseParent(identity);
    this.#refusePinned(identity);
    this.#replace(identity);
    this.#options.journal.step();
    await this.#options.journal.durable();
  }

  #refuseParent({ deviceId, moduleId, parent }: Identity): void {
    if (parent === undefined) return;
    const refuse = (why: string): SandpiperError =>
      new SandpiperError(
        "SP_IDENTITY_PARENT",
        `identity: "${parent}" cannot be the parent of "${deviceId}": ${why}`,
        {
          hint: "a parent is a device that is there, or the gateway, and no child of its own child",
        },
      );
    if (moduleId !== undefined) throw refuse("a module belongs to its device");
    if (parent !== this.#options.gatewayId && !this.#byName.has(parent)) throw refuse("it does not exist");
    for (let at: string | undefined = parent; at !== undefined; at = this.#byName.get(at)?.parent) {
      if (at === deviceId) throw refuse("they would be in a circle");
    }
  }

  /** Over AMQP a certificate has to say by itself whose it is. */
  #refusePinned(identity: Identity): void {
    const { deviceId } = identity;
    for (const thumbprint of thumbprintsOf(identity)) {
      const other = this.#byThumbprint.get(thumbprint);
      if (other === undefined || other === deviceId) continue;
      throw certificateFault(deviceId, `that certificate is pinned to "${other}" already`);
    }
  }

  #replace(identity: Identity): void {
    const { deviceId, moduleId = null } = identity;
    this.#unpin(this.#byName.get(nameOf(deviceId, moduleId)));
    this.#remember(identity);
    this.#write(identity);
  }

  #remember(identity: Identity): void {
    const name = nameOf(identity.deviceId, identity.moduleId ?? null);
    this.#byName.set(name, identity);
    for (const thumbprint of thumbprintsOf(identity)) this.#byThumbprint.set(thumbprint, name);
  }

  #unpin(identity: Identity | undefined): void {
    if (identity === undefined) return;
    for (const thumbprint of thumbprintsOf(identity)) this.#byThumbprint.delete(thumbprint);
  }

  #write(identity: Identity): void {
    const name = nameOf(identity.deviceId, identity.moduleId ?? null);
    const { journal, vault } = this.#options;
    journal.tables.put(TABLE.IDENTITY, keyOf(name), encodeRow(name, identity, vault));
  }

  #delete(identity: Identity): void {
    const name = nameOf(identity.deviceId, identity.moduleId ?? null);
    this.#unpin(identity);
    this.#byName.delete(name);
    this.#options.journal.tables.delete(TABLE.IDENTITY, keyOf(name));
  }
}

/** @throws SP_IDENTITY_CERTIFICATE */
function renewed(
  { deviceId, moduleId, authentication }: Identity,
  which: NonNullable<IdentityChange["renew"]>,
): Authentication {
  if (authentication.type !== "sas") {
    const name = nameOf(deviceId, moduleId ?? null);
    throw new SandpiperError("SP_IDENTITY_CERTIFICATE", `identity: "${name}" has no keys to renew`, {
      hint: "it connects with a certificate",
    });
  }
  return { ...authentication, [which]: newKey() };
}

/** Keys of tables are binary. */
const keyOf = (name: string): string => Buffer.from(name).toString("latin1");
const textOf = (key: string): string => Buffer.from(key, "latin1").toString();
