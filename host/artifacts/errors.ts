/** Operating errors about artifacts: what a module is made of, and who signed it. */
import { SandpiperError } from "../../abi/index.ts";

/**
 * Codes: SP_ARTIFACT_REFERENCE, SP_ARTIFACT_MISSING, SP_ARTIFACT_TOO_LARGE, SP_ARTIFACT_DIGEST,
 * SP_ARTIFACT_UNSIGNED, SP_ARTIFACT_UNTRUSTED, SP_ARTIFACT_STORE.
 */
export class ArtifactError extends SandpiperError {}

/** The trust policy cannot be used. Codes: SP_TRUST_FORMAT, SP_TRUST_UNREADABLE. */
export class TrustPolicyError extends SandpiperError {}
