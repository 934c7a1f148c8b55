/** Artifacts: where they come from, whom we trust to have made them, and the store that keeps them. */
export {
  ARTIFACT_BYTES_MAX,
  openArtifactStore,
  type Artifact,
  type ArtifactStore,
  type FetchOptions,
} from "./artifact-store.ts";
export { writeDurable } from "./durable-file.ts";
export { ArtifactError, TrustPolicyError } from "./errors.ts";
export { parseReference, type ArtifactReference } from "./reference.ts";
export {
  decodeTrustPolicy,
  EMPTY_TRUST_POLICY,
  readTrustPolicy,
  verifyArtifact,
  type TrustedKey,
  type TrustPolicy,
  type VerifiedArtifact,
} from "./trust.ts";
