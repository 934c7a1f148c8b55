/**
 * Edits `trust.json`, the keys that may sign modules. The agent reads it at every apply, so a change counts
 * from the next one on, without a restart; what runs already goes on.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { keyId } from "../../abi/index.ts";
import { writeDurable } from "../artifacts/durable-file.ts";
import { TrustPolicyError } from "../artifacts/errors.ts";
import { decodeTrustPolicy, readTrustPolicy, type TrustPolicy } from "../artifacts/trust.ts";

export interface TrustedKeyView {
  readonly name: string;
  readonly keyId: string;
}

const viewOf = ({ name, keyId }: TrustedKeyView): TrustedKeyView => ({ name, keyId });

/** @throws {TrustPolicyError} SP_TRUST_FORMAT, SP_TRUST_UNREADABLE */
export const listTrustedKeys = async (file: string): Promise<readonly TrustedKeyView[]> =>
  (await readTrustPolicy(file)).keys.map(viewOf);

/**
 * Trusts an Ed25519 public key (PEM) under a name. One that is trusted already is left as it is, and answered
 * with the name it has.
 * @throws {TrustPolicyError} SP_TRUST_KEY: no such key, or the name is taken; SP_TRUST_FORMAT; SP_TRUST_UNWRITABLE
 */
export async function addTrustedKey(file: string, name: string, pem: string): Promise<TrustedKeyView> {
  const policy = await readTrustPolicy(file);
  const key = parsePublicKey(pem);
  const id = keyId(key);
  const known = policy.keys.find((trusted) => trusted.keyId === id);
  if (known) return viewOf(known);
  if (policy.keys.some((trusted) => trusted.name === name)) {
    throw new TrustPolicyError("SP_TRUST_KEY", `trust policy: "${name}" names another key already`, {
      hint: "give this one another name with --name, or remove the other: sandpiper trust remove",
      details: { name },
    });
  }
  await write(file, [...policy.keys, { name, keyId: id, key }]);
  return { name, keyId: id };
}

/** By name or key id. @throws {TrustPolicyError} SP_TRUST_KEY when there is none such; SP_TRUST_FORMAT */
export async function removeTrustedKey(file: string, nameOrId: string): Promise<TrustedKeyView> {
  const { keys } = await readTrustPolicy(file);
  const found = keys.find((key) => key.name === nameOrId || key.keyId === nameOrId);
  if (!found) {
    throw new TrustPolicyError("SP_TRUST_KEY", `trust policy: no key "${nameOrId}"`, {
      hint: "see: sandpiper trust list",
      details: { key: nameOrId },
    });
  }
  await write(
    file,
    keys.filter((key) => key !== found),
  );
  return viewOf(found);
}

async function write(file: string, keys: TrustPolicy["keys"]): Promise<void> {
  const rows = keys.map(({ name, key }) => ({
    name,
    publicKey: key.export({ type: "spki", format: "pem" }),
  }));
  const text = `${JSON.stringify({ version: 1, policy: "require-signature", keys: rows }, null, 2)}\n`;
  // What the agent would refuse to read is never written.
  decodeTrustPolicy(text);
  try {
    await writeDurable(file, text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TrustPolicyError("SP_TRUST_UNWRITABLE", `trust policy "${file}": ${reason}`, {
      hint: "run this as the user that the gateway runs as",
      details: { file },
      cause,
    });
  }
}

function parsePublicKey(pem: string): KeyObject {
  const wrong = (why: string): TrustPolicyError =>
    new TrustPolicyError("SP_TRUST_KEY", `public key: ${why}`, {
      hint: "give the .pub file that sandpiper keygen made",
    });
  // `createPublicKey` would take a private key too, and nobody should hand one around.
  if (pem.includes("PRIVATE KEY")) throw wrong("is a private key");
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw wrong("not a public key in PEM form");
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw wrong(`${key.asymmetricKeyType ?? "unknown"}, expected ed25519`);
}
