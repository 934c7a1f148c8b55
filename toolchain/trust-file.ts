/** A gateway's `trust.json`: the public keys whose signature makes an artifact fit to run. */
import { createPublicKey } from "node:crypto";
import { KeyFileError } from "./errors.ts";
import { readBytes } from "./files.ts";
import type { NamedKey } from "./signature-file.ts";

const TRUST_FILE_BYTES_MAX = 256 * 1024;

/** `{"version": 1, "policy": "require-signature", "keys": [{"name", "publicKey": PEM}]}`. @throws {KeyFileError} SP_TRUST_FILE */
export async function readTrustFile(file: string): Promise<NamedKey[]> {
  const text = (await readBytes(file, TRUST_FILE_BYTES_MAX)).toString("utf8");
  const malformed = (why: string): KeyFileError =>
    new KeyFileError("SP_TRUST_FILE", `trust file "${file}": ${why}`, {
      hint: 'expected {"version": 1, "policy": "require-signature", "keys": [{"name": ..., "publicKey": <PEM>}]}',
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("not JSON");
  }
  const { version, policy, keys } = (value ?? {}) as Record<string, unknown>;
  if (version !== 1 || policy !== "require-signature")
    throw malformed("not of version 1 with require-signature");
  if (!Array.isArray(keys)) throw malformed("keys is not a list");
  return keys.map((row: unknown, index) => {
    const { name, publicKey } = (row ?? {}) as Record<string, unknown>;
    const isPem = typeof publicKey === "string" && publicKey.includes("BEGIN PUBLIC KEY");
    if (typeof name !== "string" || !isPem)
      throw malformed(`keys[${index}] is not a name and a public key in PEM`);
    try {
      return { name, key: createPublicKey(publicKey) };
    } catch {
      throw malformed(`keys[${index}].publicKey is not a public key in PEM`);
    }
  });
}
