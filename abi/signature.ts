/**
 * Detached signatures over artifacts: `<artifact>.sig`, JSON. What is signed is the artifact's digest under a
 * domain prefix, so that a signature can never be taken for one over something else. Signer and verifier
 * share this file.
 */
import { createHash, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { SandpiperError } from "./errors.ts";

export const SIGNATURE_FILE_BYTES_MAX = 64 * 1024;
const SIGNATURES_MAX = 32;
const DOMAIN = "sandpiper-artifact-v1\n";

export interface Signature {
  /** `keyId` of the signer's public key. */
  readonly keyId: string;
  readonly algorithm: "ed25519";
  /** base64 */
  readonly signature: string;
}

export interface SignatureFile {
  readonly version: 1;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly signatures: readonly Signature[];
}

export class SignatureError extends SandpiperError {}

export const digestOf = (artifact: Uint8Array): string =>
  `sha256:${createHash("sha256").update(artifact).digest("hex")}`;

/** Names a public key by its content: the first 16 bytes of sha256 over its SPKI form, hex. */
export const keyId = (key: KeyObject): string =>
  createHash("sha256")
    .update(createPublicKeyOf(key).export({ type: "spki", format: "der" }))
    .digest("hex")
    .slice(0, 32);

const createPublicKeyOf = (key: KeyObject): KeyObject =>
  key.type === "private" ? createPublicKey(key) : key;

/** `privateKey` must be Ed25519. */
export function signDigest(digest: string, privateKey: KeyObject): Signature {
  const signature = sign(null, Buffer.from(DOMAIN + digest), privateKey).toString("base64");
  return { keyId: keyId(privateKey), algorithm: "ed25519", signature };
}

/** Whether `signature` is this key's over this digest. Never throws. */
export function verifyDigest(digest: string, signature: Signature, publicKey: KeyObject): boolean {
  if (signature.algorithm !== "ed25519" || publicKey.asymmetricKeyType !== "ed25519") return false;
  if (signature.keyId !== keyId(publicKey)) return false;
  return verify(null, Buffer.from(DOMAIN + digest), publicKey, Buffer.from(signature.signature, "base64"));
}

export const encodeSignatureFile = (file: SignatureFile): string => `${JSON.stringify(file, null, 2)}\n`;

/** @throws {SignatureError} SP_SIGNATURE_FORMAT */
export function decodeSignatureFile(text: string): SignatureFile {
  if (text.length > SIGNATURE_FILE_BYTES_MAX) throw malformed("longer than 64 KB");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("not JSON");
  }
  const { version, digest, signatures } = (value ?? {}) as Record<string, unknown>;
  if (version !== 1) throw malformed(`version ${JSON.stringify(version)}, expected 1`);
  if (typeof digest !== "string" || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw malformed("no sha256 digest");
  if (!Array.isArray(signatures) || signatures.length > SIGNATURES_MAX)
    throw malformed("no list of signatures");
  return { version: 1, digest, signatures: signatures.map(decodeSignature) };
}

function decodeSignature(value: unknown): Signature {
  const { keyId, algorithm, signature } = (value ?? {}) as Record<string, unknown>;
  if (typeof keyId !== "string" || algorithm !== "ed25519" || typeof signature !== "string") {
    throw malformed("a signature needs keyId, algorithm ed25519 and signature");
  }
  return { keyId, algorithm, signature };
}

const malformed = (why: string): SignatureError =>
  new SignatureError("SP_SIGNATURE_FORMAT", `signature file: ${why}`, {
    hint: "make it anew with: sandpiper sign --key=<file> <artifact>",
  });
