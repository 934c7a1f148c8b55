/**
 * Whose signature makes an artifact fit to run. The policy is a file of public keys; without one, or with none
 * in it, nothing runs. Verification comes before anything else is done with the bytes.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { decodeSignatureFile, digestOf, keyId, verifyDigest, type SignatureFile } from "../../abi/index.ts";
import { readBounded } from "./bounded-read.ts";
import { ArtifactError, TrustPolicyError } from "./errors.ts";

export interface TrustedKey {
  readonly name: string;
  readonly keyId: string;
  readonly key: KeyObject;
}

export interface TrustPolicy {
  readonly policy: "require-signature";
  readonly keys: readonly TrustedKey[];
}

/** The policy of a gateway that nobody has told whom to trust: refuses everything. */
export const EMPTY_TRUST_POLICY: TrustPolicy = { policy: "require-signature", keys: [] };

const TRUST_FILE_BYTES_MAX = 256 * 1024;
const KEYS_MAX = 100;
const KEY_NAME_PATTERN = /^[\w.@+ -]{1,128}$/;

/**
 * Reads `trust.json`: `{version: 1, policy: "require-signature", keys: [{name, publicKey: <PEM>}]}`.
 * An absent file is the empty policy.
 * @throws {TrustPolicyError} SP_TRUST_FORMAT, SP_TRUST_UNREADABLE
 */
export async function readTrustPolicy(path: string): Promise<TrustPolicy> {
  let read;
  try {
    read = await readBounded(path, TRUST_FILE_BYTES_MAX);
  } catch (cause) {
    throw new TrustPolicyError("SP_TRUST_UNREADABLE", `trust policy "${path}": ${(cause as Error).message}`, {
      hint: "the gateway's user must be able to read it",
      cause,
    });
  }
  switch (read.kind) {
    case "absent":
      return EMPTY_TRUST_POLICY;
    case "file":
      return decodeTrustPolicy(read.bytes.toString("utf8"), path);
    case "not-a-file":
      throw malformed("not a regular file", path);
    case "too-large":
      throw malformed(`${read.size} bytes, more than ${TRUST_FILE_BYTES_MAX}`, path);
  }
}

/** `path`: of the file, for errors. @throws {TrustPolicyError} SP_TRUST_FORMAT */
export function decodeTrustPolicy(text: string, path?: string): TrustPolicy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("not JSON", path);
  }
  const { version, policy, keys } = (value ?? {}) as Record<string, unknown>;
  if (version !== 1) throw malformed(`version ${JSON.stringify(version)}, expected 1`, path);
  if (policy !== "require-signature") {
    throw malformed(`policy ${JSON.stringify(policy)}, expected "require-signature"`, path);
  }
  if (!Array.isArray(keys) || keys.length > KEYS_MAX)
    throw malformed(`keys: expected a list of at most ${KEYS_MAX}`, path);
  const decoded = keys.map((key: unknown, index) => decodeKey(key, index, path));
  const twice = decoded.find(({ name }, i) => decoded.findIndex((key) => key.name === name) !== i);
  if (twice) throw malformed(`keys: "${twice.name}" is there twice`, path);
  return { policy, keys: decoded };
}

function decodeKey(value: unknown, index: number, path: string | undefined): TrustedKey {
  const { name, publicKey } = (value ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || !KEY_NAME_PATTERN.test(name))
    throw malformed(`keys[${index}].name: not a name`, path);
  if (typeof publicKey !== "string" || !publicKey.includes("BEGIN PUBLIC KEY")) {
    throw malformed(`keys[${index}].publicKey: not a public key in PEM form`, path);
  }
  let key: KeyObject;
  try {
    key = createPublicKey(publicKey);
  } catch {
    throw malformed(`keys[${index}].publicKey: not a public key in PEM form`, path);
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw malformed(
      `keys[${index}].publicKey: ${key.asymmetricKeyType ?? "unknown"}, expected ed25519`,
      path,
    );
  }
  return { name, keyId: keyId(key), key };
}

const malformed = (why: string, path?: string): TrustPolicyError =>
  new TrustPolicyError("SP_TRUST_FORMAT", `trust policy${path === undefined ? "" : ` "${path}"`}: ${why}`, {
    hint: 'expected {"version": 1, "policy": "require-signature", "keys": [{"name": ..., "publicKey": <PEM>}]}',
  });

export interface VerifiedArtifact {
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  /** Name of the trusted key. */
  readonly signedBy: string;
}

/**
 * Asynchronous, so that it can move to a thread of its own. `signatureFile` is the text beside the artifact,
 * `null` when there is none; `what` names the artifact in messages.
 * @throws {ArtifactError} SP_ARTIFACT_UNSIGNED, SP_ARTIFACT_UNTRUSTED, SP_ARTIFACT_DIGEST
 * @throws {SignatureError} SP_SIGNATURE_FORMAT
 */
export async function verifyArtifact(
  bytes: Uint8Array,
  signatureFile: string | null,
  policy: TrustPolicy,
  what: string,
): Promise<VerifiedArtifact> {
  const file = signatureFile === null ? null : decodeSignatureFile(signatureFile);
  if (file === null || file.signatures.length === 0) throw unsigned(what);
  const digest = digestOf(bytes);
  if (file.digest !== digest) {
    throw new ArtifactError("SP_ARTIFACT_DIGEST", `artifact "${what}": its signature is over other bytes`, {
      hint: "sign it again after each build: sandpiper sign --key=<file> <artifact>",
      details: { artifact: what, signed: file.digest, found: digest },
    });
  }
  for (const { name, key } of policy.keys) {
    if (file.signatures.some((signature) => verifyDigest(digest, signature, key))) {
      return { digest, signedBy: name };
    }
  }
  throw untrusted(what, file, policy);
}

const unsigned = (what: string): ArtifactError =>
  new ArtifactError("SP_ARTIFACT_UNSIGNED", `artifact "${what}": no signature beside it`, {
    hint: `sign it with: sandpiper sign --key=<file> ${what}`,
    details: { artifact: what },
  });

function untrusted(what: string, file: SignatureFile, policy: TrustPolicy): ArtifactError {
  const signers = file.signatures.map((signature) => signature.keyId.slice(0, 32));
  const claimed = policy.keys.find((key) => signers.includes(key.keyId));
  const why = claimed
    ? `its signature by "${claimed.name}" is not valid`
    : `signed by ${signers.join(", ")}, which this gateway does not trust`;
  return new ArtifactError("SP_ARTIFACT_UNTRUSTED", `artifact "${what}": ${why}`, {
    hint: claimed
      ? "the artifact or its signature was altered: build and sign it anew"
      : "if the signer is to be trusted here: sandpiper trust add <key.pub>",
    details: { artifact: what, signers },
  });
}
