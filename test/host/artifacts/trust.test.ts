import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { digestOf, encodeSignatureFile, signDigest } from "../../../abi/index.ts";
import {
  decodeTrustPolicy,
  EMPTY_TRUST_POLICY,
  readTrustPolicy,
  verifyArtifact,
} from "../../../host/artifacts/trust.ts";
import { signatureFile, signer, trustFile } from "../../support/signing.ts";
import { tempDir } from "../../support/temp-dir.ts";

const bytes = Buffer.from("an artifact");
const alice = signer("alice");
const bob = signer("bob");
const mallory = signer("mallory");
const policy = decodeTrustPolicy(trustFile(alice, bob));
const verify = (signature: string | null, trust = policy) =>
  verifyArtifact(bytes, signature, trust, "a.wasm");

test("an artifact that a trusted key signed is verified, and the key is named", async () => {
  const digest = digestOf(bytes);
  expect(await verify(signatureFile(bytes, bob))).toEqual({ digest, signedBy: "bob" });
  expect(await verify(signatureFile(bytes, mallory, alice))).toEqual({ digest, signedBy: "alice" });
});

test.for<[string, string | null, string]>([
  ["no signature file", null, "SP_ARTIFACT_UNSIGNED"],
  ["no signatures in it", signatureFile(bytes), "SP_ARTIFACT_UNSIGNED"],
  ["a signature by a stranger", signatureFile(bytes, mallory), "SP_ARTIFACT_UNTRUSTED"],
  ["a signature over other bytes", signatureFile(Buffer.from("other"), alice), "SP_ARTIFACT_DIGEST"],
  ["what is no signature file", "{}", "SP_SIGNATURE_FORMAT"],
])("%s is refused", async ([, signature, code]) => {
  await expect(verify(signature)).rejects.toMatchObject({ code });
});

test("a stranger's signature under a trusted key's id is refused", async () => {
  const digest = digestOf(bytes);
  const forged = {
    ...signDigest(digest, mallory.privateKey),
    keyId: signDigest(digest, alice.privateKey).keyId,
  };
  const file = encodeSignatureFile({ version: 1, digest, signatures: [forged] });
  await expect(verify(file)).rejects.toMatchObject({
    code: "SP_ARTIFACT_UNTRUSTED",
    message: 'artifact "a.wasm": its signature by "alice" is not valid',
  });
});

test("the digest in a signature file cannot stand in for that of the bytes", async () => {
  const other = digestOf(Buffer.from("other"));
  const file = encodeSignatureFile({
    version: 1,
    digest: digestOf(bytes),
    signatures: [signDigest(other, alice.privateKey)],
  });
  await expect(verify(file)).rejects.toMatchObject({ code: "SP_ARTIFACT_UNTRUSTED" });
});

test("without keys nothing is trusted, and without a file there are no keys", async () => {
  const dir = await tempDir();
  expect(await readTrustPolicy(join(dir, "trust.json"))).toBe(EMPTY_TRUST_POLICY);
  await expect(verify(signatureFile(bytes, alice), EMPTY_TRUST_POLICY)).rejects.toMatchObject({
    code: "SP_ARTIFACT_UNTRUSTED",
  });
});

test("a trust policy is read from its file", async () => {
  const path = join(await tempDir(), "trust.json");
  await writeFile(path, trustFile(alice));
  expect((await readTrustPolicy(path)).keys.map((key) => key.name)).toEqual(["alice"]);
});

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({
  type: "spki",
  format: "pem",
});
const withKeys = (...keys: unknown[]) => JSON.stringify({ version: 1, policy: "require-signature", keys });
test.for<[string, string]>([
  ["text", "trust me"],
  ["null", "null"],
  ["another version", JSON.stringify({ version: 2, policy: "require-signature", keys: [] })],
  ["no policy", JSON.stringify({ version: 1, keys: [] })],
  ["a policy that accepts anything", JSON.stringify({ version: 1, policy: "accept-anything", keys: [] })],
  ["no keys", JSON.stringify({ version: 1, policy: "require-signature" })],
  ["a key without name", withKeys({ publicKey: alice.publicKeyPem })],
  ["a key that is no PEM", withKeys({ name: "a", publicKey: "abc" })],
  ["a key of another kind", withKeys({ name: "a", publicKey: rsa })],
  [
    "a private key",
    withKeys({ name: "a", publicKey: alice.privateKey.export({ type: "pkcs8", format: "pem" }) }),
  ],
  [
    "a name twice",
    withKeys({ name: "a", publicKey: alice.publicKeyPem }, { name: "a", publicKey: bob.publicKeyPem }),
  ],
])("%s is no trust policy", ([, text]) => {
  expect(() => decodeTrustPolicy(text)).toThrow(expect.objectContaining({ code: "SP_TRUST_FORMAT" }));
});
