/** Devices that show a certificate (contract §6.2). */
import { describe, expect, test } from "vitest";
import {
  normalThumbprint,
  verifyClientCertificate,
  type CertificateAuthentication,
  type ShownCertificate,
} from "../../../hub/identity/client-certificate.ts";

const SHA1 = "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67";
const SHA256 = `${SHA1}:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF`;
const NOW = Date.parse("2026-06-01T00:00:00Z");
const DAY = 24 * 3600 * 1000;

const shown: ShownCertificate = {
  commonName: "thermo",
  sha1: SHA1,
  sha256: SHA256,
  notBefore: NOW - DAY,
  notAfter: NOW + DAY,
  isChainTrusted: false,
};
const pinned = (primaryThumbprint: string, secondaryThumbprint = ""): CertificateAuthentication => ({
  type: "selfSigned",
  primaryThumbprint,
  secondaryThumbprint,
});
const BY_AUTHORITY: CertificateAuthentication = { type: "certificateAuthority" };

const verdict = (change: Partial<ShownCertificate>, authentication: CertificateAuthentication, now = NOW) => {
  const result = verifyClientCertificate({ ...shown, ...change }, "thermo", authentication, now);
  return result.ok ? "ok" : result.reason;
};

describe("a certificate that is pinned", () => {
  test.each([
    ["SHA-1", pinned(SHA1)],
    ["SHA-256", pinned(SHA256)],
    ["lower case without colons", pinned(SHA256.replaceAll(":", "").toLowerCase())],
    ["the secondary one", pinned("00".repeat(20), SHA1)],
  ])("is known by %s", (_what, authentication) => {
    expect(verdict({}, authentication)).toBe("ok");
  });

  test.each([
    ["another digest", pinned("00".repeat(20), "11".repeat(32))],
    ["nothing", pinned("")],
    ["a piece of it", pinned(SHA1.slice(0, 20))],
    ["something that is not hex", pinned("z".repeat(40))],
  ])("is not known by %s", (_what, authentication) => {
    expect(verdict({}, authentication)).toBe("thumbprint");
  });

  test("is refused before and after its dates, and when it has none", () => {
    expect(verdict({}, pinned(SHA1), NOW - 2 * DAY)).toBe("dates");
    expect(verdict({}, pinned(SHA1), NOW + 2 * DAY)).toBe("dates");
    expect(verdict({ notAfter: Number.NaN }, pinned(SHA1))).toBe("dates");
  });
});

describe("a certificate of an authority", () => {
  test("needs a chain that TLS trusts, and the device's id as common name, to the letter", () => {
    expect(verdict({ isChainTrusted: true }, BY_AUTHORITY)).toBe("ok");
    expect(verdict({}, BY_AUTHORITY)).toBe("chain");
    expect(verdict({ isChainTrusted: true, commonName: "Thermo" }, BY_AUTHORITY)).toBe("common_name");
    expect(verdict({ isChainTrusted: true, commonName: null }, BY_AUTHORITY)).toBe("common_name");
    expect(verdict({ isChainTrusted: true }, BY_AUTHORITY, NOW + 2 * DAY)).toBe("dates");
  });
});

test("a thumbprint is 40 or 64 hex digits, however they are spaced", () => {
  expect(normalThumbprint(" ab:".repeat(20))).toBe("AB".repeat(20));
  for (const text of ["", "AB", "AB".repeat(21), `${"AB".repeat(19)}GG`])
    expect(normalThumbprint(text)).toBeNull();
});
