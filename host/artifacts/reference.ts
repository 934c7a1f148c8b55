/**
 * Where an artifact is, as `settings.image` of a deployment says it. Pure.
 *
 *     file:modules/thermo.wasm                      relative to the deployment's folder
 *     file:/srv/thermo.wasm#sha256=<64 hex digits>  absolute, pinned to its content
 */
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { ArtifactError } from "./errors.ts";

export interface ArtifactReference {
  readonly kind: "file";
  /** As written; see `isAbsolute`. */
  readonly path: string;
  /** `sha256:` and 64 hex digits, when the reference pins its content. */
  readonly digest: string | null;
}

export const DIGEST_PATTERN = /^sha256:[0-9a-f]{64}$/;

const REFERENCE_CHARACTERS_MAX = 4096;
const FRAGMENT_PATTERN = /^sha256=([0-9a-fA-F]{64})$/;

/** @throws {ArtifactError} SP_ARTIFACT_REFERENCE */
export function parseReference(image: string): ArtifactReference {
  if (image.length > REFERENCE_CHARACTERS_MAX) throw refused(image, "longer than 4096 characters");
  if (image.trim() === "") throw refused(image, "empty");
  if (!image.startsWith("file:")) throw unsupported(image);
  const hash = image.lastIndexOf("#");
  const path = filePath(image, hash < 0 ? image : image.slice(0, hash));
  return { kind: "file", path, digest: hash < 0 ? null : fragmentDigest(image, image.slice(hash + 1)) };
}

function filePath(image: string, location: string): string {
  const path = location.slice("file:".length);
  if (path === "") throw refused(image, "no path");
  if (path.includes("\0")) throw refused(image, "a path cannot hold a zero byte");
  if (!path.startsWith("//")) return path;
  try {
    return fileURLToPath(location);
  } catch (cause) {
    throw refused(image, "a file URL must have three slashes and no host", cause);
  }
}

function fragmentDigest(image: string, fragment: string): string {
  const hex = FRAGMENT_PATTERN.exec(fragment)?.[1];
  if (hex === undefined) throw refused(image, `"#${fragment.slice(0, 80)}" is not #sha256=<64 hex digits>`);
  return `sha256:${hex.toLowerCase()}`;
}

/** Recognised, so that the refusal says what is missing instead of looking for a file of that name. */
function unsupported(image: string): ArtifactError {
  if (/^https?:/i.test(image)) return refused(image, "downloads are not yet supported");
  if (image.startsWith("$upstream")) return refused(image, "a parent's registry is not yet supported");
  if (isAbsolute(image) || image.startsWith(".")) return refused(image, "a path needs file: in front");
  return refused(image, "registries are not yet supported");
}

const refused = (image: string, why: string, cause?: unknown): ArtifactError =>
  new ArtifactError("SP_ARTIFACT_REFERENCE", `image ${JSON.stringify(image.slice(0, 200))}: ${why}`, {
    hint: "name an artifact on this machine: file:PATH or file:PATH#sha256=HEX",
    details: { image: image.slice(0, 200) },
    cause,
  });
