/**
 * Certificates of the gateway's TLS listeners: made at `init` by an authority of its own, renewed before they
 * expire, loaded for the hub. Certificates that the operator brings are used as they are, and never touched.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmod, readFile, rename, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { CertificateError } from "../errors.ts";
import { createAuthority, issueServerCertificate, serverNames, type KeyPairPem } from "./authority.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** A server certificate of ours with fewer days left is renewed. */
export const SERVER_RENEW_DAYS = 180;
/** With fewer days left, `status` and the log warn. */
export const EXPIRY_WARN_DAYS = 30;

const AUTHORITY = { key: "ca.key", cert: "ca.pem" } as const;
const SERVER = { key: "server.key", cert: "server.pem" } as const;
/** What devices install to trust this gateway: the authority's certificate. */
export const TRUST_BUNDLE = "trust-bundle.pem";

/** Makes authority, server certificate and trust bundle in `tlsDir`, which must exist and be empty. */
export async function createCertificates(
  tlsDir: string,
  { hostname, nowMs }: { readonly hostname: string; readonly nowMs: number },
): Promise<void> {
  const authority = await createAuthority(hostname, nowMs);
  await writePair(tlsDir, AUTHORITY, authority);
  await writePair(tlsDir, SERVER, await issueServerCertificate(authority, hostname, nowMs));
  await writeFile(join(tlsDir, TRUST_BUNDLE), authority.certificate, { mode: 0o644 });
}

export type RenewalReason = "expiring" | "hostname" | "key" | "damaged";

/**
 * Issues the server certificate anew when it is about to expire, does not carry `hostname`, is not of its
 * key (a power cut between the two files), or cannot be used at all. Answers why, or null when it was left
 * alone, as one that another authority issued always is.
 * @throws {CertificateError} SP_CERTIFICATE_INVALID; what was there is still in place
 */
export async function renewServerCertificate(
  tlsDir: string,
  { hostname, nowMs }: { readonly hostname: string; readonly nowMs: number },
): Promise<RenewalReason | null> {
  const file = (name: string) => join(tlsDir, name);
  const authority = await read(file(AUTHORITY.cert));
  const parsedAuthority = parseCertificate(authority, file(AUTHORITY.cert));
  const current = await readServerPair(tlsDir);
  if (current !== null && !current.certificate.checkIssued(parsedAuthority)) return null;
  const reason =
    current === null ? "damaged" : renewalReason(current.certificate, current.key, hostname, nowMs);
  if (reason === null) return null;
  const issued = await issueServerCertificate(await loadAuthority(tlsDir), hostname, nowMs);
  await writePair(tlsDir, SERVER, issued);
  return reason;
}

/** @throws {CertificateError} SP_CERTIFICATE_INVALID: either file cannot be read, or is not a certificate */
export async function loadAuthority(tlsDir: string): Promise<KeyPairPem> {
  const certificate = await read(join(tlsDir, AUTHORITY.cert));
  parseCertificate(certificate, join(tlsDir, AUTHORITY.cert));
  return { certificate, privateKey: await read(join(tlsDir, AUTHORITY.key)) };
}

/** Null when either file is missing or is not what it must be. */
async function readServerPair(
  tlsDir: string,
): Promise<{ readonly certificate: X509Certificate; readonly key: string } | null> {
  const [cert, key] = [join(tlsDir, SERVER.cert), join(tlsDir, SERVER.key)];
  try {
    return { certificate: parseCertificate(await read(cert), cert), key: await read(key) };
  } catch {
    return null;
  }
}

function renewalReason(
  current: X509Certificate,
  key: string,
  hostname: string,
  nowMs: number,
): RenewalReason | null {
  if (!isKeyOf(current, key)) return "key";
  const covers = serverNames(hostname).every(
    (name) => (isIP(name) === 0 ? current.checkHost(name) : current.checkIP(name)) !== undefined,
  );
  if (!covers) return "hostname";
  return daysLeft(current.validTo, nowMs) < SERVER_RENEW_DAYS ? "expiring" : null;
}

function isKeyOf(certificate: X509Certificate, key: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

export interface ServerCertificate {
  /** PEM, for the listener. The key is a secret. */
  readonly key: string;
  readonly cert: string;
  readonly notAfter: string;
  readonly daysLeft: number;
}

/**
 * The certificate a TLS listener shows. `files` are relative to `dir`; absent = those of `tls/`. An expired
 * one is loaded like any other: whether to talk to it is for the clients to say, and a gateway starts.
 * @throws {CertificateError} SP_CERTIFICATE_INVALID: unreadable, or not a pair
 */
export async function loadServerCertificate(
  dir: string,
  files: { readonly key: string; readonly cert: string } | undefined,
  nowMs: number,
): Promise<ServerCertificate> {
  const certFile = resolve(dir, files?.cert ?? join("tls", SERVER.cert));
  const keyFile = resolve(dir, files?.key ?? join("tls", SERVER.key));
  const cert = await read(certFile);
  const key = await read(keyFile);
  const certificate = parseCertificate(cert, certFile);
  if (!isKeyOf(certificate, key)) throw unusable(keyFile, `is not the key of "${certFile}"`, undefined);
  return {
    key,
    cert,
    notAfter: new Date(certificate.validTo).toISOString(),
    daysLeft: daysLeft(certificate.validTo, nowMs),
  };
}

/**
 * Who may sign certificates of devices: at least one certificate. `file` is relative to `dir`.
 * @throws {CertificateError} SP_CERTIFICATE_INVALID
 */
export async function loadDeviceAuthorities(dir: string, file: string): Promise<string> {
  const path = resolve(dir, file);
  const pem = await read(path);
  const blocks = pem.match(CERTIFICATE_BLOCK) ?? [];
  if (blocks.length === 0) throw unusable(path, "holds no PEM certificate", undefined);
  for (const block of blocks) parseCertificate(block, path);
  return pem;
}

const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Whole days until `notAfter`; negative when it is past. */
export const daysLeft = (notAfter: string, nowMs: number): number =>
  Math.floor((Date.parse(notAfter) - nowMs) / DAY_MS);

function parseCertificate(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw unusable(file, "is not a PEM certificate", cause);
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw unusable(file, "cannot be read", cause);
  }
}

const unusable = (file: string, what: string, cause: unknown): CertificateError =>
  new CertificateError("SP_CERTIFICATE_INVALID", `"${file}" ${what}`, {
    hint: "listeners[].tls and listeners[].deviceAuthorities in gateway.json name PEM files; without tls those in tls/ are used",
    details: { file },
    cause,
  });

/** Key before certificate, each renamed into place; the key is never readable by others, not even while written. */
async function writePair(
  dir: string,
  names: { readonly key: string; readonly cert: string },
  pair: KeyPairPem,
): Promise<void> {
  await replaceFile(join(dir, names.key), pair.privateKey, 0o600);
  await replaceFile(join(dir, names.cert), pair.certificate, 0o644);
}

async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  const fresh = `${file}.new`;
  await writeFile(fresh, text, { mode, flush: true });
  await chmod(fresh, mode);
  await rename(fresh, file);
}
