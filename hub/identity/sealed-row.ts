/**
 * Identities as they lie in the store: JSON, sealed when the gateway has a key to seal with. What it seals is bound
 * to the row's name.
 */
import { SandpiperError } from "../../abi/index.ts";
import type { Identity, NewIdentity } from "../face.ts";
import { toIdentity } from "./identity.ts";
import type { Vault } from "./vault.ts";

/** First byte of a row in the clear; a sealed one begins with the version of its seal. */
const OPENING_BRACE = 0x7b;

const contextOf = (name: string): string => `identity ${name}`;

export function encodeRow(name: string, identity: Identity, vault: Vault | null): Buffer {
  const text = Buffer.from(JSON.stringify(identity));
  return vault === null ? text : vault.seal(text, contextOf(name));
}

export interface DecodedRow {
  readonly identity: Identity;
  /** It would be written otherwise today: sealed, or with a generation. */
  readonly isStale: boolean;
}

/** @throws {SandpiperError} SP_VAULT_SEALED: not by this key; SP_VAULT_FILE: sealed, and there is no key */
export function decodeRow(name: string, row: Buffer, vault: Vault | null): DecodedRow {
  const isSealed = row[0] !== OPENING_BRACE;
  if (isSealed && vault === null) {
    throw new SandpiperError(
      "SP_VAULT_FILE",
      "vault: identities are sealed, and there is no key to open them",
      {
        hint: "restore vault.key of the gateway from where it was backed up",
      },
    );
  }
  const text = isSealed ? vault!.open(row, contextOf(name)) : row;
  const kept = JSON.parse(text.toString()) as NewIdentity;
  return {
    identity: toIdentity(kept),
    isStale: kept.generationId === undefined || isSealed !== (vault !== null),
  };
}
