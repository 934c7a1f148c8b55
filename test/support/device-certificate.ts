/** Certificates of devices and of who signs them, made on the spot by openssl. */
import { execFileSync } from "node:child_process";
import { webcrypto, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { provideReflectMetadata } from "../../host/certificates/reflect-metadata.ts";

export interface TestCertificate {
  readonly key: string;
  readonly cert: string;
}

/** `signer` absent: by itself. `days`: from now. */
export function makeCertificate(
  commonName: string,
  {
    signer,
    isAuthority = false,
    days = 2,
  }: { signer?: TestCertificate; isAuthority?: boolean; days?: number } = {},
): TestCertificate {
  const dir = mkdtempSync(join(tmpdir(), "sandpiper-cert-"));
  try {
    const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
    const options = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days ${days}`;
    const constraints = `basicConstraints=critical,CA:${isAuthority ? "TRUE" : "FALSE"}`;
    const args = [...options.split(" "), "-subj", `/CN=${commonName}`, "-addext", constraints];
    if (signer !== undefined) {
      writeFileSync(join(dir, "ca.key"), signer.key);
      writeFileSync(join(dir, "ca.pem"), signer.cert);
      args.push("-CA", join(dir, "ca.pem"), "-CAkey", join(dir, "ca.key"));
    }
    execFileSync("openssl", [...args, "-keyout", key, "-out", cert], { stdio: "ignore" });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export const thumbprintOf = ({ cert }: TestCertificate): string => new X509Certificate(cert).fingerprint256;

/** One signed by itself that ends in `forMs`, to the second. */
export async function makeShortLived(commonName: string, forMs: number): Promise<TestCertificate> {
  provideReflectMetadata();
  const { PemConverter, X509CertificateGenerator } = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    notBefore: new Date(now - 60_000),
    notAfter: new Date(now + forMs),
    signingAlgorithm: algorithm,
    keys,
  });
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { key: PemConverter.encode(key, "PRIVATE KEY"), cert: certificate.toString("pem") };
}
