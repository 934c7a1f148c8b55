import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  createCertificates,
  loadDeviceAuthorities,
  loadServerCertificate,
  renewServerCertificate,
} from "../../../host/certificates/index.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const nowMs = Date.now();
let tls: string;

beforeEach(async () => {
  tls = await mkdtemp(join(tmpdir(), "sp-tls-"));
  await createCertificates(tls, { hostname: "gw.example", nowMs });
});
afterEach(() => rm(tls, { recursive: true }));

const load = () => loadServerCertificate(tls, { key: "server.key", cert: "server.pem" }, nowMs);
const file = (name: string) => readFile(join(tls, name), "utf8");

/** The names a TLS client accepts the server under, out of `names`. */
async function handshakes(names: readonly string[]): Promise<string[]> {
  const { key, cert } = await load();
  const server = createServer({ key, cert }, (socket) => socket.end());
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const ca = await file("trust-bundle.pem");
  const accepted: string[] = [];
  for (const name of names) {
    const ok = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: "127.0.0.1", port, ca, servername: name });
      socket.once("secureConnect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
    if (ok) accepted.push(name);
  }
  await new Promise((resolve) => server.close(resolve));
  return accepted;
}

test("a client with the trust bundle accepts the host name and localhost, and no other name", async () => {
  expect(await handshakes(["gw.example", "localhost", "other.example"])).toEqual(["gw.example", "localhost"]);
});

test("the server certificate carries the loopback addresses", async () => {
  const certificate = new X509Certificate((await load()).cert);
  expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(certificate.checkIP("::1")).toBe("::1");
});

test("a host name that is an address is carried as an address", async () => {
  const dir = await mkdtemp(join(tmpdir(), "sp-tls-"));
  await createCertificates(dir, { hostname: "192.0.2.7", nowMs });
  const certificate = new X509Certificate(await readFile(join(dir, "server.pem")));
  expect(certificate.checkIP("192.0.2.7")).toBe("192.0.2.7");
  await rm(dir, { recursive: true });
});

test("openssl accepts the chain for a TLS server", () => {
  const args = ["verify", "-purpose", "sslserver", "-x509_strict", "-CAfile"];
  const out = execFileSync("openssl", [...args, join(tls, "ca.pem"), join(tls, "server.pem")]);
  expect(out.toString()).toContain("server.pem: OK");
});

test("private keys are readable by their owner alone", async () => {
  for (const name of ["ca.key", "server.key"]) {
    expect((await stat(join(tls, name))).mode & 0o777).toBe(0o600);
  }
});

test("a fresh certificate is left alone at start", async () => {
  const before = await file("server.pem");
  expect(await renewServerCertificate(tls, { hostname: "gw.example", nowMs })).toBeNull();
  expect(await file("server.pem")).toBe(before);
});

test.for([
  ["it is about to expire", "gw.example", nowMs + 600 * DAY_MS, "expiring"],
  ["it has expired", "gw.example", nowMs + 900 * DAY_MS, "expiring"],
  ["the host name changed", "new.example", nowMs, "hostname"],
] as const)("the server certificate is renewed when %s", async ([, hostname, at, reason]) => {
  expect(await renewServerCertificate(tls, { hostname, nowMs: at })).toBe(reason);
  const renewed = new X509Certificate((await load()).cert);
  expect(renewed.checkHost(hostname)).toBe(hostname);
  expect(Date.parse(renewed.validTo)).toBeGreaterThan(at + 700 * DAY_MS);
  expect(renewed.verify(new X509Certificate(await file("trust-bundle.pem")).publicKey)).toBe(true);
});

test.for([
  ["a certificate that is gone", () => rm(join(tls, "server.pem"))],
  ["a key that is gone", () => rm(join(tls, "server.key"))],
  ["a certificate that is none", () => writeFile(join(tls, "server.pem"), "junk")],
] as const)("%s is made anew at start", async ([, damage]) => {
  await damage();
  expect(await renewServerCertificate(tls, { hostname: "gw.example", nowMs })).toBe("damaged");
  expect((await load()).daysLeft).toBeGreaterThan(365);
});

test("a key that is not of the certificate, as a power cut may leave it, is healed at start", async () => {
  await writeFile(join(tls, "server.key"), await file("ca.key"));
  await expect(load()).rejects.toMatchObject({ code: "SP_CERTIFICATE_INVALID" });
  expect(await renewServerCertificate(tls, { hostname: "gw.example", nowMs })).toBe("key");
  expect((await load()).daysLeft).toBe(729);
});

test("a certificate of another authority is never replaced", async () => {
  const other = await mkdtemp(join(tmpdir(), "sp-tls-"));
  await createCertificates(other, { hostname: "brought.example", nowMs });
  await writeFile(join(tls, "server.pem"), await readFile(join(other, "server.pem")));
  await writeFile(join(tls, "server.key"), await readFile(join(other, "server.key")));
  await rm(other, { recursive: true });
  expect(await renewServerCertificate(tls, { hostname: "gw.example", nowMs })).toBeNull();
});

test("a file that is no certificate is refused by its name", async () => {
  await writeFile(join(tls, "server.pem"), "hello");
  await expect(load()).rejects.toThrow(`"${join(tls, "server.pem")}" is not a PEM certificate`);
});

test("device authorities are one certificate or more, and nothing that only looks like one", async () => {
  const authorities = join(tls, "devices.pem");
  const two = `${await file("ca.pem")}${await file("server.pem")}`;
  await writeFile(authorities, two);
  expect(await loadDeviceAuthorities(tls, "devices.pem")).toBe(two);
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  for (const text of ["", "junk", `${two}${broken}`]) {
    await writeFile(authorities, text);
    await expect(loadDeviceAuthorities(tls, "devices.pem")).rejects.toMatchObject({
      code: "SP_CERTIFICATE_INVALID",
      details: { file: authorities },
    });
  }
});
