/**
 * The gateway's own certificate authority: one per gateway, made at `init`, trusted by nobody until somebody
 * installs it. It signs the one certificate that the gateway's listeners show, and those that modules ask for.
 */
import { randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import type { X509Certificate, X509CertificateCreateParams } from "@peculiar/x509";
import { provideReflectMetadata } from "./reflect-metadata.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** Devices are given the authority once and by hand: it should outlive them. */
const AUTHORITY_DAYS = 20 * 365;
/** Nothing pins this one, and it is renewed in time: see `SERVER_RENEW_DAYS`. */
const SERVER_DAYS = 2 * 365;
/** A device whose clock lags behind should still connect. */
const BACKDATED_DAYS = 1;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A certificate and its private key, both PEM. The key is a secret. */
export interface KeyPairPem {
  readonly certificate: string;
  readonly privateKey: string;
}

/** `name` becomes part of the authority's common name, for people. */
export async function createAuthority(name: string, nowMs: number): Promise<KeyPairPem> {
  const x509 = await loadX509();
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...common(nowMs, nowMs + AUTHORITY_DAYS * DAY_MS),
    name: [{ CN: [`Sandpiper authority of ${name}`.slice(0, COMMON_NAME_MAX)] }],
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return toPem(certificate, keys.privateKey);
}

/** Names that a client may use for this gateway: its host name, and this machine. */
export const serverNames = (hostname: string): readonly string[] => [
  ...new Set([hostname, "localhost", "127.0.0.1", "::1"]),
];

export const issueServerCertificate = (
  authority: KeyPairPem,
  hostname: string,
  nowMs: number,
): Promise<KeyPairPem> =>
  issueCertificate(
    authority,
    {
      commonName: hostname,
      usage: "serverAuth",
      names: serverNames(hostname),
      notAfterMs: nowMs + SERVER_DAYS * DAY_MS,
    },
    nowMs,
  );

export interface CertificateRequest {
  /** Cut off where X.520 does. */
  readonly commonName: string;
  readonly usage: "serverAuth" | "clientAuth";
  /** Host names, addresses, URIs: whom it is for. */
  readonly names: readonly string[];
  readonly notAfterMs: number;
}

/** With a key of its own, for one purpose, and no power to issue others. */
export async function issueCertificate(
  authority: KeyPairPem,
  { commonName, usage, names, notAfterMs }: CertificateRequest,
  nowMs: number,
): Promise<KeyPairPem> {
  const x509 = await loadX509();
  const keys = await generateKeys();
  const issuer = new x509.X509Certificate(authority.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    ...common(nowMs, notAfterMs),
    subject: [{ CN: [commonName.slice(0, COMMON_NAME_MAX)] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await importPrivateKey(authority.privateKey),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[usage]]),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: typeOf(value), value }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return toPem(certificate, keys.privateKey);
}

function typeOf(name: string): "dns" | "ip" | "url" {
  if (name.includes("://")) return "url";
  return isIP(name) === 0 ? "dns" : "ip";
}

/** X.520: ub-common-name. */
export const COMMON_NAME_MAX = 64;

/** Loaded only where a certificate is made: at `init`, once in two years, and for modules that ask. */
async function loadX509(): Promise<typeof import("@peculiar/x509")> {
  provideReflectMetadata();
  return import("@peculiar/x509");
}

const common = (nowMs: number, notAfterMs: number) =>
  ({
    serialNumber: serialNumber(),
    notBefore: new Date(nowMs - BACKDATED_DAYS * DAY_MS),
    notAfter: new Date(notAfterMs),
    signingAlgorithm: ALGORITHM,
  }) satisfies Partial<X509CertificateCreateParams>;

/** 16 random bytes, positive and without a leading zero, as RFC 5280 §4.1.2.2 wants a serial number. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString("hex");
}

const generateKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);

function importPrivateKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
  return webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
}

async function toPem(certificate: X509Certificate, key: webcrypto.CryptoKey): Promise<KeyPairPem> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  const lines = der.toString("base64").replaceAll(/.{64}(?=.)/g, "$&\n");
  return {
    certificate: `${certificate.toString("pem").trim()}\n`,
    privateKey: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
  };
}
