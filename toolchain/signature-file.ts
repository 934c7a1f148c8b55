/** Signatures beside an artifact, `<artifact>.sig`: made, extended, and held against keys. */
import type { KeyObject } from "node:crypto";
import {
  SIGNATURE_FILE_BYTES_MAX,
  decodeSignatureFile,
  digestOf,
  encodeSignatureFile,
  keyId,
  signDigest,
  verifyDigest,
  type SignatureFile,
} from "../abi/index.ts";
import { VerifyError } from "./errors.ts";
import { ARTIFACT_BYTES_MAX, readBytes, readBytesIfThere, replaceFile } from "./files.ts";

export const signaturePath = (artifact: string): string => `${artifact}.sig`;

/** Null when the artifact has none. @throws {SignatureError} SP_SIGNATURE_FORMAT; {FileError} SP_FILE */
export async function readSignatures(artifact: string): Promise<SignatureFile | null> {
  const bytes = await readBytesIfThere(signaturePath(artifact), SIGNATURE_FILE_BYTES_MAX);
  return bytes === null ? null : decodeSignatureFile(bytes.toString("utf8"));
}

export interface Signed {
  readonly digest: string;
  readonly keyId: string;
  readonly signatureFile: string;
  /** Key ids of all who signed these bytes. */
  readonly signers: readonly string[];
  /** The signature file was over other bytes, and begins anew. */
  readonly replaced: boolean;
}

/** Adds this key's signature to those of others over the same bytes. */
export async function signArtifact(artifact: string, privateKey: KeyObject): Promise<Signed> {
  const digest = digestOf(await readBytes(artifact, ARTIFACT_BYTES_MAX));
  const before = await readSignatures(artifact);
  const own = keyId(privateKey);
  const others = before?.digest === digest ? before.signatures.filter((row) => row.keyId !== own) : [];
  const signatures = [...others, signDigest(digest, privateKey)];
  const signatureFile = signaturePath(artifact);
  await replaceFile(signatureFile, encodeSignatureFile({ version: 1, digest, signatures }));
  const replaced = before !== null && before.digest !== digest;
  return { digest, keyId: own, signatureFile, signers: signatures.map((row) => row.keyId), replaced };
}

export interface NamedKey {
  readonly name: string;
  readonly key: KeyObject;
}

export interface Verified {
  readonly digest: string;
  readonly signedBy: readonly string[];
}

/** @throws {VerifyError} SP_SIGNATURE unless one of the keys signed exactly these bytes. */
export async function verifyArtifact(artifact: string, keys: readonly NamedKey[]): Promise<Verified> {
  const digest = digestOf(await readBytes(artifact, ARTIFACT_BYTES_MAX));
  const file = await readSignatures(artifact);
  const hint = `sign it: sandpiper sign --key=<file> ${artifact}`;
  if (file === null) throw new VerifyError("SP_SIGNATURE", `artifact "${artifact}": not signed`, { hint });
  if (file.digest !== digest) {
    throw new VerifyError("SP_SIGNATURE", `artifact "${artifact}": its signature is over other bytes`, {
      hint,
      details: { digest, signed: file.digest },
    });
  }
  const signers = keys.filter(({ key }) => file.signatures.some((row) => verifyDigest(digest, row, key)));
  if (signers.length > 0) return { digest, signedBy: signers.map(({ name }) => name) };
  const claimed = file.signatures.map((row) => row.keyId);
  const known = keys.find(({ key }) => claimed.includes(keyId(key)));
  const why =
    known === undefined ? "signed by none of the given keys" : `signature of "${known.name}" is not valid`;
  throw new VerifyError("SP_SIGNATURE", `artifact "${artifact}": ${why}`, {
    hint:
      known === undefined
        ? `it was signed by ${claimed.join(", ") || "nobody"}`
        : "the signature file was altered",
    details: { digest, signers: claimed },
  });
}
