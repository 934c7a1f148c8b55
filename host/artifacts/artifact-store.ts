/**
 * Artifacts on this gateway's disk, by content: `<dir>/sha256/<hex>.wasm`, its signatures `.wasm.sig`, and its
 * source map `.wasm.map` when it came with one.
 *
 * Invariant: only bytes that a trusted key signed are ever stored, and nothing is taken from the store without
 * being verified again: a bit that flipped on the disk, or a key that lost our trust, is found at boot.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { digestOf, SIGNATURE_FILE_BYTES_MAX } from "../../abi/index.ts";
import { readBounded } from "./bounded-read.ts";
import { writeDurable } from "./durable-file.ts";
import { ArtifactError } from "./errors.ts";
import type { ArtifactReference } from "./reference.ts";
import { verifyArtifact, type TrustPolicy } from "./trust.ts";

export const ARTIFACT_BYTES_MAX = 64 * 1024 * 1024;
export const SOURCE_MAP_BYTES_MAX = 16 * 1024 * 1024;

export interface Artifact {
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly bytes: Uint8Array;
  /** Name of the trusted key that signed it. */
  readonly signedBy: string;
  /** JSON, when the artifact came with one. Not signed: for stacks only. */
  readonly sourceMap: string | null;
}

export interface FetchOptions {
  /** Where relative paths are looked for. */
  readonly baseDir: string;
  /** What the artifact must be, besides what the reference says. */
  readonly digest: string | null;
  readonly trust: TrustPolicy;
}

export interface ArtifactStore {
  /**
   * Brings an artifact into the store: read, verified, kept. One that is pinned by digest and here already is
   * not read again.
   * @throws {ArtifactError} SP_ARTIFACT_MISSING, SP_ARTIFACT_TOO_LARGE, SP_ARTIFACT_DIGEST,
   * SP_ARTIFACT_UNSIGNED, SP_ARTIFACT_UNTRUSTED, SP_ARTIFACT_STORE; {SignatureError} SP_SIGNATURE_FORMAT
   */
  fetchArtifact(reference: ArtifactReference, options: FetchOptions): Promise<Artifact>;
  /** Takes an artifact from the store, verified anew. @throws as `fetchArtifact` */
  load(digest: string, trust: TrustPolicy): Promise<Artifact>;
  /** Deletes what `keep` (digests) does not name, and what was never finished. Returns the digests deleted. */
  collect(keep: ReadonlySet<string>): Promise<string[]>;
}

const SIGNATURE_SUFFIX = ".sig";
const SOURCE_MAP_SUFFIX = ".map";
const STORED_NAME = /^([0-9a-f]{64})\.wasm(\.sig|\.map)?$/;

export function openArtifactStore(dir: string, bytesMax = ARTIFACT_BYTES_MAX): ArtifactStore {
  const folder = join(dir, "sha256");
  const pathOf = (digest: string): string => join(folder, `${digest.slice("sha256:".length)}.wasm`);

  const load = (digest: string, trust: TrustPolicy): Promise<SignedArtifact> =>
    readArtifact(pathOf(digest), { bytesMax, trust, digests: [digest] });

  return {
    load,
    async fetchArtifact(reference, { baseDir, digest, trust }) {
      const digests = [reference.digest, digest].filter((expected) => expected !== null);
      const source = isAbsolute(reference.path) ? reference.path : resolve(baseDir, reference.path);
      const [pinned] = digests;
      // What is damaged or no longer trusted here is read from its source again.
      const here = pinned === undefined ? null : await load(pinned, trust).catch((error: Error) => error);
      if (here !== null && !(here instanceof Error)) {
        checkDigests(here.digest, digests, source);
        return here;
      }
      const artifact = await readArtifact(source, { bytesMax, trust, digests }).catch((error: unknown) => {
        // Why the stored one cannot be used says more than that there is no other.
        throw isMissing(error) && here !== null && !isMissing(here) ? here : error;
      });
      await keep(artifact, pathOf(artifact.digest), bytesMax);
      return artifact;
    },
    async collect(digests) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const gone = (await readdir(folder)).filter((name) => {
        const hex = STORED_NAME.exec(name)?.[1];
        return hex === undefined || !digests.has(`sha256:${hex}`);
      });
      for (const name of gone) await rm(join(folder, name), { force: true });
      return gone.filter((name) => name.endsWith(".wasm")).map((name) => `sha256:${name.slice(0, 64)}`);
    },
  };
}

interface SignedArtifact extends Artifact {
  /** Text of the signature file. */
  readonly signature: string;
}

interface Expectation {
  readonly bytesMax: number;
  readonly trust: TrustPolicy;
  /** All of which the content must have. */
  readonly digests: readonly string[];
}

/** Reads and verifies; the source map is not worth a failure. */
async function readArtifact(
  path: string,
  { bytesMax, trust, digests }: Expectation,
): Promise<SignedArtifact> {
  const bytes = await read(path, bytesMax);
  if (bytes === null) {
    throw new ArtifactError("SP_ARTIFACT_MISSING", `artifact "${path}": no such file`, {
      hint: "relative paths are looked for in the folder of the deployment",
      details: { artifact: path },
    });
  }
  if (digests.length > 0) checkDigests(digestOf(bytes), digests, path);
  const signature = (await read(path + SIGNATURE_SUFFIX, SIGNATURE_FILE_BYTES_MAX))?.toString("utf8") ?? null;
  const { digest, signedBy } = await verifyArtifact(bytes, signature, trust, path);
  const map = await read(path + SOURCE_MAP_SUFFIX, SOURCE_MAP_BYTES_MAX).catch(() => null);
  return { digest, bytes, signedBy, sourceMap: map?.toString("utf8") ?? null, signature: signature! };
}

async function read(path: string, bytesMax: number): Promise<Buffer | null> {
  let found;
  try {
    found = await readBounded(path, bytesMax);
  } catch (cause) {
    throw unreadable(path, (cause as Error).message, cause);
  }
  switch (found.kind) {
    case "file":
      return found.bytes;
    case "absent":
      return null;
    case "not-a-file":
      throw unreadable(path, "not a regular file");
    case "too-large":
      throw new ArtifactError(
        "SP_ARTIFACT_TOO_LARGE",
        `artifact "${path}": ${found.size} bytes, more than ${bytesMax}`,
        { details: { artifact: path, bytes: found.size, bytesMax } },
      );
  }
}

const unreadable = (path: string, why: string, cause?: unknown): ArtifactError =>
  new ArtifactError("SP_ARTIFACT_MISSING", `artifact "${path}": ${why}`, {
    hint: "the gateway's user must be able to read it",
    details: { artifact: path },
    cause,
  });

function checkDigests(found: string, digests: readonly string[], path: string): void {
  const expected = digests.find((digest) => digest !== found);
  if (expected === undefined) return;
  throw new ArtifactError(
    "SP_ARTIFACT_DIGEST",
    `artifact "${path}": its content is ${found}, expected ${expected}`,
    {
      hint: "the file was built anew or damaged: correct the digest in the deployment, or the file",
      details: { artifact: path, found, expected },
    },
  );
}

const isMissing = (error: unknown): boolean =>
  error instanceof ArtifactError && error.code === "SP_ARTIFACT_MISSING";

/** The artifact comes last: it is in the store when everything beside it is. */
async function keep(artifact: SignedArtifact, path: string, bytesMax: number): Promise<void> {
  try {
    if (artifact.sourceMap !== null) await writeDurable(path + SOURCE_MAP_SUFFIX, artifact.sourceMap);
    await writeDurable(path + SIGNATURE_SUFFIX, artifact.signature);
    const stored = await readBounded(path, bytesMax);
    if (stored.kind === "file" && digestOf(stored.bytes) === artifact.digest) return;
    await writeDurable(path, artifact.bytes);
  } catch (cause) {
    throw new ArtifactError("SP_ARTIFACT_STORE", `artifact "${path}": ${(cause as Error).message}`, {
      hint: "the gateway's folder must be writable and its disk not full",
      details: { artifact: path },
      cause,
    });
  }
}
