/**
 * A copy of what a gateway cannot do without, outside its store: who may connect, with keys, and the routes. A
 * store that has to be set aside would otherwise lock every device out. Written whole or not at all, a moment
 * after a change; a removal at once, so that nobody comes back by it.
 */
import { createHash, createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { toErrorRecord } from "../../abi/index.ts";
import { Vault, type Hub, type HubRestore, type NewIdentity, type RouteTable } from "../../hub/index.ts";
import { writeDurable } from "../artifacts/durable-file.ts";
import type { Log } from "../log.ts";

const FORMAT = 1;
/** Fifty thousand identities. Beyond it the last copy that fitted stays. */
export const BACKUP_BYTES_MAX = 16 * 1024 * 1024;
/** How long further changes are waited for, ms. */
const SETTLE_MS = 1_000;
/** After a copy that could not be made, ms. */
const RETRY_MS = 30_000;

/** How the copy lies on disk; see `sealedBackup`. */
export interface BackupCodec {
  seal(text: string): Uint8Array | string;
  /** @throws when it cannot be opened */
  unseal(bytes: Buffer): string;
}

const PLAIN: BackupCodec = { seal: (text) => text, unseal: (bytes) => bytes.toString("utf8") };

/** Marks a copy that is sealed; what is in the clear begins with a brace. */
const SEALED_MAGIC = Buffer.from("SPB1");
const CONTEXT = "identities.backup";
/** Tells a copy under another key from one that is damaged. */
const KEY_ID_BYTES = 8;

/** A copy under the gateway's key. Those that an older gateway left in the clear can still be read. */
export function sealedBackup(key: Uint8Array): BackupCodec {
  const vault = new Vault(key);
  const keyId = createHmac("sha256", key).update(CONTEXT).digest().subarray(0, KEY_ID_BYTES);
  const headerBytes = SEALED_MAGIC.length + KEY_ID_BYTES;
  return {
    seal: (text) => Buffer.concat([SEALED_MAGIC, keyId, vault.seal(Buffer.from(text), CONTEXT)]),
    unseal(bytes) {
      if (!bytes.subarray(0, SEALED_MAGIC.length).equals(SEALED_MAGIC)) return PLAIN.unseal(bytes);
      const sealed = bytes.subarray(headerBytes);
      if (!bytes.subarray(SEALED_MAGIC.length, headerBytes).equals(keyId)) return openedBy(vault, sealed);
      try {
        return openedBy(vault, sealed);
      } catch {
        throw new Error("it is damaged");
      }
    },
  };
}

const openedBy = (vault: Vault, sealed: Buffer): string => vault.open(sealed, CONTEXT).toString("utf8");

export interface IdentityBackupOptions {
  readonly file: string;
  readonly hub: Pick<Hub, "identities">;
  readonly log: Log;
  readonly codec?: BackupCodec;
}

export class IdentityBackup {
  readonly #options: IdentityBackupOptions;
  readonly #codec: BackupCodec;
  #routes: RouteTable | null = null;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** What the file holds, so that it is not written again for nothing. */
  #written = "";
  #isClosed = false;

  constructor(options: IdentityBackupOptions) {
    this.#options = options;
    this.#codec = options.codec ?? PLAIN;
  }

  /**
   * What was kept, or null: there is none, or it is damaged, which is logged.
   * @throws {SandpiperError} SP_VAULT_SEALED: it is sealed, and not by this gateway's key
   */
  async read(): Promise<HubRestore | null> {
    const { file, log } = this.#options;
    try {
      const text = this.#codec.unseal(await readFile(file));
      const kept = decodeBackup(text);
      this.#written = text;
      this.#routes = kept.routes;
      return kept;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return null;
      if (code === "SP_VAULT_SEALED") throw error; // under another key: a copy of now would overwrite it
      log.error({ file, reason: (error as Error).message }, "copy of the identities cannot be used");
      return null;
    }
  }

  routesChanged(routes: RouteTable): void {
    this.#routes = routes;
    this.changed(SETTLE_MS);
  }

  /** There is something new to keep; @param withinMs 0 = at once */
  changed(withinMs = SETTLE_MS): void {
    if (this.#isClosed) return;
    if (withinMs === 0) clearTimeout(this.#timer);
    else if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }, withinMs).unref();
  }

  async #write(): Promise<void> {
    const { file, hub, log } = this.#options;
    try {
      const text = encodeBackup({ identities: await hub.identities(), routes: this.#routes });
      if (text === this.#written) return;
      if (text.length > BACKUP_BYTES_MAX) {
        log.error(
          { bytes: text.length, bytesMax: BACKUP_BYTES_MAX },
          "too many identities to keep a copy of",
        );
        return;
      }
      await writeDurable(file, this.#codec.seal(text));
      this.#written = text;
    } catch (error) {
      log.warn({ file, ...toErrorRecord(error) }, "copy of the identities cannot be made now");
      this.changed(RETRY_MS);
    }
  }

  /** Writes what is new, while the hub can still be asked. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#writing = this.#writing.then(() => this.#write());
    }
    this.#isClosed = true;
    await this.#writing;
    clearTimeout(this.#timer);
  }
}

export function encodeBackup(kept: HubRestore): string {
  const content = JSON.stringify(kept);
  return JSON.stringify({ format: FORMAT, sha256: digest(content), content });
}

/** @throws when it is not what `encodeBackup` made: one wrong key would lock a device out in silence */
export function decodeBackup(text: string): HubRestore {
  const { format, sha256, content } = JSON.parse(text) as Record<string, unknown>;
  if (format !== FORMAT) throw new Error(`format ${JSON.stringify(format)}, not ${FORMAT}`);
  if (typeof content !== "string" || digest(content) !== sha256) throw new Error("its sum is wrong");
  const { identities, routes } = JSON.parse(content) as {
    readonly identities: readonly NewIdentity[];
    readonly routes: RouteTable | null;
  };
  return { identities, routes };
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
