/**
 * Devices that show a certificate in place of a token (contract §6.2): pure, from what TLS saw to a verdict.
 * Modules are refused: they have no certificates here.
 */
import { timingSafeEqual } from "node:crypto";

/** What a TLS handshake learned of the peer's certificate. */
export interface ShownCertificate {
  /** Common name of the subject; `null` when there is none, or more than one. */
  readonly commonName: string | null;
  /** Hex, upper case, with or without colons, as OpenSSL prints them. */
  readonly sha1: string;
  readonly sha256: string;
  /** ms since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The chain leads to an authority that this gateway takes devices from; TLS has checked it. */
  readonly isChainTrusted: boolean;
}

export type CertificateAuthentication =
  | {
      readonly type: "selfSigned";
      /** SHA-1 or SHA-256 of the certificate, hex. Empty = none. */
      readonly primaryThumbprint: string;
      readonly secondaryThumbprint: string;
    }
  | { readonly type: "certificateAuthority" };

/** In place of a thumbprint, where an authority vouches. */
export const BY_AUTHORITY = "certificateAuthority";

export type CertificateVerdict =
  | {
      readonly ok: true;
      readonly expiresMs: number;
      /** The thumbprint that fits, as it is pinned, or `BY_AUTHORITY`. */
      readonly by: string;
    }
  | { readonly ok: false; readonly reason: "dates" | "thumbprint" | "common_name" | "chain" };

const refuse = (reason: (CertificateVerdict & { ok: false })["reason"]): CertificateVerdict => ({
  ok: false,
  reason,
});

export function verifyClientCertificate(
  shown: ShownCertificate,
  deviceId: string,
  authentication: CertificateAuthentication,
  nowMs: number,
): CertificateVerdict {
  // Also of one that is pinned: a certificate that has run out was not meant to be used (contract §6.2).
  if (!(nowMs >= shown.notBefore && nowMs <= shown.notAfter)) return refuse("dates");
  if (authentication.type === "selfSigned") {
    const { primaryThumbprint, secondaryThumbprint } = authentication;
    const [by] = [primaryThumbprint, secondaryThumbprint].filter((pinned) => isThumbprintOf(shown, pinned));
    return by === undefined ? refuse("thumbprint") : { ok: true, expiresMs: shown.notAfter, by };
  }
  if (!shown.isChainTrusted) return refuse("chain");
  if (shown.commonName !== deviceId) return refuse("common_name");
  return { ok: true, expiresMs: shown.notAfter, by: BY_AUTHORITY };
}

const SHA1_DIGITS = 40;
const SHA256_DIGITS = 64;

/** Hex digits in upper case without separators, or `null` when it is no SHA-1 or SHA-256 digest. */
export function normalThumbprint(text: string): string | null {
  const digits = text.replaceAll(/[\s:]/g, "").toUpperCase();
  const isDigest = digits.length === SHA1_DIGITS || digits.length === SHA256_DIGITS;
  return isDigest && /^[0-9A-F]+$/.test(digits) ? digits : null;
}

function isThumbprintOf(shown: ShownCertificate, pinned: string): boolean {
  const wanted = normalThumbprint(pinned);
  if (wanted === null) return false;
  const digest = normalThumbprint(wanted.length === SHA1_DIGITS ? shown.sha1 : shown.sha256);
  return digest !== null && timingSafeEqual(Buffer.from(digest), Buffer.from(wanted));
}
