/** Keys and signed artifacts for tests. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { digestOf, encodeSignatureFile, signDigest } from "../../abi/index.ts";

export interface Signer {
  readonly name: string;
  readonly privateKey: KeyObject;
  readonly publicKeyPem: string;
}

export function signer(name: string): Signer {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { name, privateKey, publicKeyPem: publicKey.export({ type: "spki", format: "pem" }) as string };
}

export const trustFile = (...signers: readonly Signer[]): string =>
  JSON.stringify({
    version: 1,
    policy: "require-signature",
    keys: signers.map(({ name, publicKeyPem }) => ({ name, publicKey: publicKeyPem })),
  });

export const signatureFile = (bytes: Uint8Array, ...signers: readonly Signer[]): string => {
  const digest = digestOf(bytes);
  return encodeSignatureFile({
    version: 1,
    digest,
    signatures: signers.map(({ privateKey }) => signDigest(digest, privateKey)),
  });
};

/** Writes `<path>` and `<path>.sig`; returns the digest. */
export async function writeSigned(
  path: string,
  bytes: Uint8Array,
  ...signers: readonly Signer[]
): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  await writeFile(`${path}.sig`, signatureFile(bytes, ...signers));
  return digestOf(bytes);
}
