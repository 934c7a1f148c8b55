/**
 * Secrets at rest: AES-256-GCM under a key that lies in a file of its own, so that a copied store, a backup or
 * a stolen disk image without that file gives no device's key away. What a sealed value is for (its row's
 * name) is authenticated with it: a value moved to another row does not open.
 *
 *     version u8 = 1 | nonce 12 bytes | tag 16 bytes | ciphertext
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { SandpiperError } from "../../abi/index.ts";

export const VAULT_KEY_BYTES = 32;
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;
const CIPHER = "aes-256-gcm";

export class Vault {
  readonly #key: Buffer;

  /** @param key `VAULT_KEY_BYTES` random bytes; copied. @throws {SandpiperError} SP_VAULT_KEY */
  constructor(key: Uint8Array) {
    if (key.length !== VAULT_KEY_BYTES) {
      throw new SandpiperError("SP_VAULT_KEY", `vault: key has ${key.length} bytes, not ${VAULT_KEY_BYTES}`, {
        hint: "the key file of the gateway is damaged; restore it from where it was backed up",
      });
    }
    this.#key = Buffer.from(key);
  }

  /** `context`: what it is for; the same is needed to open it. */
  seal(secret: Buffer, context: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([Buffer.from([VERSION]), nonce, cipher.getAuthTag(), sealed]);
  }

  /** @throws {SandpiperError} SP_VAULT_SEALED: sealed under another key, for something else, or damaged */
  open(sealed: Uint8Array, context: string): Buffer {
    if (sealed.length < HEADER_BYTES || sealed[0] !== VERSION) throw cannotOpen(context);
    const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(1 + NONCE_BYTES, HEADER_BYTES));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()]);
    } catch {
      throw cannotOpen(context); // the cause says nothing more, and must not
    }
  }
}

const cannotOpen = (context: string): SandpiperError =>
  new SandpiperError("SP_VAULT_SEALED", `vault: "${context}" does not open with this gateway's key`, {
    details: { context },
    hint: "a store belongs with the key file of the gateway that wrote it; restore both from the same backup",
  });
