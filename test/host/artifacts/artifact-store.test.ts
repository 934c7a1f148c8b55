import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openArtifactStore } from "../../../host/artifacts/artifact-store.ts";
import { parseReference } from "../../../host/artifacts/reference.ts";
import { decodeTrustPolicy } from "../../../host/artifacts/trust.ts";
import { signatureFile, signer, trustFile, writeSigned } from "../../support/signing.ts";
import { tempDir } from "../../support/temp-dir.ts";

const alice = signer("alice");
const mallory = signer("mallory");
const trust = decodeTrustPolicy(trustFile(alice));
const bytes = Buffer.from("an artifact");

async function openStore(bytesMax?: number) {
  const dir = await tempDir();
  const store = openArtifactStore(join(dir, "artifacts"), bytesMax);
  const files = () => readdir(join(dir, "artifacts", "sha256")).catch(() => []);
  const fetchArtifact = (image: string, digest: string | null = null) =>
    store.fetchArtifact(parseReference(image), { baseDir: dir, digest, trust });
  return { dir, store, files, fetchArtifact };
}

test("a signed artifact is stored under its digest, with its signature and its source map", async () => {
  const { dir, store, files, fetchArtifact } = await openStore();
  const digest = await writeSigned(join(dir, "a.wasm"), bytes, alice);
  await writeFile(join(dir, "a.wasm.map"), '{"version":3}');
  const fetched = await fetchArtifact("file:a.wasm");
  expect(fetched).toMatchObject({ digest, signedBy: "alice", sourceMap: '{"version":3}' });
  const hex = digest.slice(7);
  expect(await files()).toEqual([`${hex}.wasm`, `${hex}.wasm.map`, `${hex}.wasm.sig`]);
  expect((await stat(join(dir, "artifacts", "sha256", `${hex}.wasm`))).mode & 0o777).toBe(0o600);
  await rm(join(dir, "a.wasm"));
  const loaded = await store.load(digest, trust);
  expect({ ...loaded, bytes: Buffer.from(loaded.bytes) }).toMatchObject({
    digest,
    bytes,
    sourceMap: '{"version":3}',
  });
});

test("an artifact pinned by digest is taken from the store when its source is gone", async () => {
  const { dir, fetchArtifact } = await openStore();
  const digest = await writeSigned(join(dir, "a.wasm"), bytes, alice);
  await fetchArtifact("file:a.wasm");
  await rm(join(dir, "a.wasm"));
  expect((await fetchArtifact(`file:a.wasm#sha256=${digest.slice(7)}`)).digest).toBe(digest);
  expect((await fetchArtifact("file:a.wasm", digest)).digest).toBe(digest);
  await expect(fetchArtifact("file:a.wasm")).rejects.toMatchObject({ code: "SP_ARTIFACT_MISSING" });
});

test("what is not signed by a trusted key never reaches the store", async () => {
  const { dir, files, fetchArtifact } = await openStore();
  await writeFile(join(dir, "unsigned.wasm"), bytes);
  await writeSigned(join(dir, "strange.wasm"), bytes, mallory);
  await expect(fetchArtifact("file:unsigned.wasm")).rejects.toMatchObject({ code: "SP_ARTIFACT_UNSIGNED" });
  await expect(fetchArtifact("file:strange.wasm")).rejects.toMatchObject({ code: "SP_ARTIFACT_UNTRUSTED" });
  expect(await files()).toEqual([]);
});

test("content that is not what the reference or the deployment says is refused", async () => {
  const { dir, fetchArtifact } = await openStore();
  const digest = await writeSigned(join(dir, "a.wasm"), bytes, alice);
  const other = "0".repeat(64);
  const code = "SP_ARTIFACT_DIGEST";
  await expect(fetchArtifact(`file:a.wasm#sha256=${other}`)).rejects.toMatchObject({ code });
  await expect(fetchArtifact("file:a.wasm", `sha256:${other}`)).rejects.toMatchObject({ code });
  await fetchArtifact("file:a.wasm");
  const pinned = `file:a.wasm#sha256=${digest.slice(7)}`;
  await expect(fetchArtifact(pinned, `sha256:${other}`)).rejects.toMatchObject({ code });
});

test("a flipped bit in the store is found when the artifact is loaded, and mended from the source", async () => {
  const { dir, store, fetchArtifact } = await openStore();
  const digest = await writeSigned(join(dir, "a.wasm"), bytes, alice);
  await fetchArtifact("file:a.wasm");
  const path = join(dir, "artifacts", "sha256", `${digest.slice(7)}.wasm`);
  const stored = await readFile(path);
  stored[3]! ^= 1;
  await writeFile(path, stored);
  await expect(store.load(digest, trust)).rejects.toMatchObject({ code: "SP_ARTIFACT_DIGEST" });
  await fetchArtifact(`file:a.wasm#sha256=${digest.slice(7)}`);
  expect((await store.load(digest, trust)).digest).toBe(digest);
});

test("a key that lost our trust no longer opens the store", async () => {
  const { dir, store, fetchArtifact } = await openStore();
  const digest = await writeSigned(join(dir, "a.wasm"), bytes, alice);
  await fetchArtifact("file:a.wasm");
  const later = decodeTrustPolicy(trustFile(mallory));
  await expect(store.load(digest, later)).rejects.toMatchObject({ code: "SP_ARTIFACT_UNTRUSTED" });
});

test("what is too large, no file, or not there is refused without being read", async () => {
  const { dir, fetchArtifact } = await openStore(100);
  await writeSigned(join(dir, "large.wasm"), Buffer.alloc(101), alice);
  await mkdir(join(dir, "folder.wasm"));
  await symlink("/dev/zero", join(dir, "endless.wasm"));
  execFileSync("mkfifo", [join(dir, "pipe.wasm")]);
  await writeFile(join(dir, "a.wasm"), bytes);
  await writeFile(join(dir, "a.wasm.sig"), "x".repeat(70_000));
  await expect(fetchArtifact("file:large.wasm")).rejects.toMatchObject({ code: "SP_ARTIFACT_TOO_LARGE" });
  for (const name of ["folder", "endless", "pipe", "absent", "a.wasm/inside"]) {
    await expect(fetchArtifact(`file:${name}.wasm`)).rejects.toMatchObject({ code: "SP_ARTIFACT_MISSING" });
  }
  await expect(fetchArtifact("file:a.wasm")).rejects.toMatchObject({ code: "SP_ARTIFACT_TOO_LARGE" });
});

test("collecting deletes what nothing refers to, and what was never finished", async () => {
  const { dir, store, files, fetchArtifact } = await openStore();
  const kept = await writeSigned(join(dir, "a.wasm"), bytes, alice);
  const gone = await writeSigned(join(dir, "b.wasm"), Buffer.from("another"), alice);
  await fetchArtifact("file:a.wasm");
  await fetchArtifact("file:b.wasm");
  await writeFile(join(dir, "artifacts", "sha256", `${kept.slice(7)}.wasm.12-1.tmp`), "half");
  expect(await store.collect(new Set([kept]))).toEqual([gone]);
  expect(await files()).toEqual([`${kept.slice(7)}.wasm`, `${kept.slice(7)}.wasm.sig`]);
});

test("a new signature of the same bytes replaces the old one", async () => {
  const { dir, store, fetchArtifact } = await openStore();
  const digest = await writeSigned(join(dir, "a.wasm"), bytes, alice);
  await fetchArtifact("file:a.wasm");
  await writeFile(join(dir, "a.wasm.sig"), signatureFile(bytes, mallory, alice));
  await fetchArtifact("file:a.wasm");
  expect((await store.load(digest, decodeTrustPolicy(trustFile(mallory)))).signedBy).toBe("mallory");
});

test("a store that cannot be written says so", async () => {
  const { dir, fetchArtifact } = await openStore();
  await writeSigned(join(dir, "a.wasm"), bytes, alice);
  await writeFile(join(dir, "artifacts"), "in the way");
  await expect(fetchArtifact("file:a.wasm")).rejects.toMatchObject({ code: "SP_ARTIFACT_STORE" });
});
