/**
 * `vault.key`: the key under which devices' keys are encrypted, in the store and in the copy of the identities.
 * Readable by its owner alone (0600), and refused when it is not: then nobody can say who has it.
 */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { SandpiperError } from "../../abi/index.ts";
import { VAULT_KEY_BYTES } from "../../hub/index.ts";
import { writeDurable } from "../artifacts/durable-file.ts";
import { VaultFileError } from "../errors.ts";
import { readSecretFile } from "./secret-file.ts";

/** Of the file: base64, and a line end. */
const TEXT = /^[A-Za-z0-9+/]{43}=\n?$/;

export interface VaultKey {
  /** `VAULT_KEY_BYTES`. A secret. */
  readonly key: Uint8Array;
  /**
   * Why the hub did not start, if it is the key's fault. One that was made just now goes again: what is there was
   * sealed under another, which is missing.
   */
  explain(error: unknown): Promise<never>;
}

/** Flushed before anything is sealed under it. */
export async function makeVaultKey(file: string): Promise<Uint8Array> {
  const key = randomBytes(VAULT_KEY_BYTES);
  await writeDurable(file, `${key.toString("base64")}\n`);
  return key;
}

/**
 * Makes the file of a gateway that has none yet. @throws {VaultFileError} SP_VAULT_FILE @throws {SandpiperError} SP_VAULT_KEY
 */
export async function takeVaultKey(file: string): Promise<VaultKey> {
  const found = await readVaultKey(file);
  const key = found ?? (await makeVaultKey(file));
  return {
    key,
    async explain(error) {
      const { code } = error as { readonly code?: unknown };
      if (found !== null || code !== "SP_VAULT_SEALED") throw error;
      await rm(file, { force: true });
      throw fault(file, "is missing, and keys of devices are sealed under it", RESTORE, error);
    },
  };
}

/** `null`: there is none. */
async function readVaultKey(file: string): Promise<Uint8Array | null> {
  const text = await readSecretFile(file, (what, hint, cause) => fault(file, what, hint, cause));
  if (text === null) return null;
  if (TEXT.test(text)) return Buffer.from(text, "base64");
  throw new SandpiperError("SP_VAULT_KEY", `"${file}" does not hold a key`, {
    hint: RESTORE,
    details: { file },
  });
}

const RESTORE = "restore it from where it was backed up";

const fault = (file: string, what: string, hint: string, cause?: unknown): VaultFileError =>
  new VaultFileError("SP_VAULT_FILE", `"${file}" ${what}`, { hint, details: { file }, cause });
