/**
 * Whose certificate it is, where the client does not say so first (AMQP): that of the device it is pinned to, else
 * that of the device it is made out to.
 */
import {
  normalThumbprint,
  verifyClientCertificate,
  type CertificateVerdict,
  type ShownCertificate,
} from "./client-certificate.ts";
import type { Identities } from "./identities.ts";

export type CertificateOwner =
  | {
      readonly ok: true;
      readonly identity: { readonly deviceId: string; readonly moduleId: null };
      readonly expiresMs: number;
      readonly by: string;
    }
  | { readonly ok: false; readonly text: string };

const REASONS: Readonly<Record<(CertificateVerdict & { ok: false })["reason"], string>> = {
  dates: "certificate has expired, or is not valid yet",
  thumbprint: "certificate is another one than those that are pinned",
  common_name: "certificate is for another device id",
  chain: "certificate is of no authority in deviceAuthorities",
};

export function identifyCertificate(
  shown: ShownCertificate,
  identities: Pick<Identities, "find" | "pinnedBy">,
  nowMs: number,
): CertificateOwner {
  const refuse = (text: string): CertificateOwner => ({ ok: false, text });
  const owner =
    identities.pinnedBy(normalThumbprint(shown.sha256) ?? "") ??
    identities.pinnedBy(normalThumbprint(shown.sha1) ?? "") ??
    (shown.commonName === null ? undefined : identities.find(shown.commonName, null));
  if (owner === undefined || owner.moduleId !== undefined) return refuse("no device of this certificate");
  if (!owner.enabled) return refuse("device is disabled");
  const { deviceId, authentication } = owner;
  if (authentication.type === "sas") return refuse("device is registered with keys");
  const verdict = verifyClientCertificate(shown, deviceId, authentication, nowMs);
  if (!verdict.ok) return refuse(REASONS[verdict.reason]);
  return { ok: true, identity: { deviceId, moduleId: null }, expiresMs: verdict.expiresMs, by: verdict.by };
}
