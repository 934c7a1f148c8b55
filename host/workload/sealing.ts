/**
 * What modules have encrypted: under a key for one module, one generation of it, and one initialization vector, which
 * is derived from the gateway's. Nobody else can open it, nor can a module that is made anew under the same name.
 */
import { hkdfSync } from "node:crypto";
import { Vault, VAULT_KEY_BYTES } from "../../hub/index.ts";

const CONTEXT = "workload";

export interface SealedFor {
  readonly gatewayId: string;
  readonly moduleId: string;
  readonly generationId: string;
  /** Any bytes; the same are needed to open it. */
  readonly initializationVector: Buffer;
}

/** Another text each time. */
export const seal = (vaultKey: Uint8Array, plaintext: Buffer, whom: SealedFor): Buffer =>
  vaultOf(vaultKey, whom).seal(plaintext, CONTEXT);

/** @throws {SandpiperError} SP_VAULT_SEALED: for somebody else, or tampered with */
export const unseal = (vaultKey: Uint8Array, ciphertext: Buffer, whom: SealedFor): Buffer =>
  vaultOf(vaultKey, whom).open(ciphertext, CONTEXT);

function vaultOf(
  vaultKey: Uint8Array,
  { gatewayId, moduleId, generationId, initializationVector }: SealedFor,
): Vault {
  // An id holds no slash.
  const info = `sandpiper workload ${gatewayId}/${moduleId}/${generationId}`;
  return new Vault(new Uint8Array(hkdfSync("sha256", vaultKey, initializationVector, info, VAULT_KEY_BYTES)));
}
