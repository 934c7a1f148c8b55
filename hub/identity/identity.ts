/**
 * What an identity is, apart from where it is kept: pure. Names, shapes of the past and of the present, and what
 * of a new one is refused.
 */
import { randomBytes } from "node:crypto";
import { NAME_BYTES_MAX, SandpiperError } from "../../abi/index.ts";
import type { Authentication, Identity, KeyedIdentity, NewIdentity } from "../face.ts";
import { BY_AUTHORITY, normalThumbprint } from "./client-certificate.ts";

/** IoT Hub's characters of a device id; a module id has no `#`. */
const DEVICE_ID = /^[A-Za-z0-9\-:.+%_#*?!(),=@$']+$/;
const GENERATION_BYTES = 8;

/** `device`, or `device/module`: an id holds no slash. */
export const nameOf = (deviceId: string, moduleId: string | null): string =>
  moduleId === null ? deviceId : `${deviceId}/${moduleId}`;

/** As it will be kept: with a generation of its own, unless it had one. Keys at the top level are SAS. */
export function toIdentity(given: NewIdentity): Identity {
  const { deviceId, moduleId, parent, enabled } = given;
  return {
    deviceId,
    ...(moduleId === undefined ? {} : { moduleId }),
    ...(parent === undefined ? {} : { parent }),
    enabled,
    generationId: given.generationId ?? randomBytes(GENERATION_BYTES).toString("hex"),
    authentication: isKeyed(given) ? authenticationOf(given) : normal(given.authentication),
  };
}

const isKeyed = (given: NewIdentity): given is KeyedIdentity => "primaryKey" in given;

const authenticationOf = ({ primaryKey, secondaryKey }: KeyedIdentity): Authentication => ({
  type: "sas",
  primaryKey,
  secondaryKey,
});

/** Thumbprints as they are compared; one that is none stays as it is, for `refuseMalformed` to quote. */
function normal(authentication: Authentication): Authentication {
  if (authentication.type !== "selfSigned") return authentication;
  const { type, primaryThumbprint, secondaryThumbprint } = authentication;
  return {
    type,
    primaryThumbprint: normalThumbprint(primaryThumbprint) ?? primaryThumbprint,
    secondaryThumbprint: normalThumbprint(secondaryThumbprint) ?? secondaryThumbprint,
  };
}

/** base64, any of which may sign. None of a device that shows a certificate. */
export const keysOf = ({ authentication }: Identity): readonly string[] =>
  authentication.type === "sas" ? [authentication.primaryKey, authentication.secondaryKey] : [];

/** Thumbprints that are pinned to it, as they are compared. */
export const thumbprintsOf = ({ authentication }: Identity): readonly string[] =>
  authentication.type === "selfSigned"
    ? [authentication.primaryThumbprint, authentication.secondaryThumbprint].filter((text) => text !== "")
    : [];

/**
 * Whether what a client has shown (`by` of a verdict) would do now as well: keys are renewed, and other certificates
 * pinned. `null` would not.
 */
export function isProvenBy(identity: Identity, by: string | null): boolean {
  if (by === null) return false;
  const { type } = identity.authentication;
  if (type === "certificateAuthority") return by === BY_AUTHORITY;
  return (type === "sas" ? keysOf(identity) : thumbprintsOf(identity)).includes(by);
}

/** @throws {SandpiperError} SP_IDENTITY_NAME, SP_IDENTITY_CERTIFICATE */
export function refuseMalformed(identity: Identity): void {
  const { deviceId, moduleId, authentication } = identity;
  for (const id of moduleId === undefined ? [deviceId] : [deviceId, moduleId]) {
    if (DEVICE_ID.test(id) && id.length <= NAME_BYTES_MAX) continue;
    throw new SandpiperError("SP_IDENTITY_NAME", `identity: "${id}" is not a device or module id`, {
      hint: "letters, digits and - : . + % _ # * ? ! ( ) , = @ $ ', at most 128",
    });
  }
  if (authentication.type === "sas") return;
  const name = nameOf(deviceId, moduleId ?? null);
  if (moduleId !== undefined) throw certificateFault(name, "a module has keys, not a certificate");
  if (authentication.type === "certificateAuthority") return;
  const pinned = thumbprintsOf(identity);
  if (pinned.length === 0) throw certificateFault(name, "no thumbprint");
  const wrong = pinned.find((text) => normalThumbprint(text) === null);
  if (wrong !== undefined) throw certificateFault(name, `"${wrong.slice(0, 80)}" is no thumbprint`);
}

export const certificateFault = (name: string, why: string): SandpiperError =>
  new SandpiperError("SP_IDENTITY_CERTIFICATE", `identity: "${name}": ${why}`, {
    hint: "a thumbprint is the SHA-1 or SHA-256 of the certificate: openssl x509 -fingerprint -sha256 -noout -in <file>",
  });
