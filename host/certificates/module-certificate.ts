/**
 * Certificates for modules that ask by the workload API, signed by the gateway's authority. Whoever trusts that
 * authority trusts them, so a module gets none for a name that is not its own, above all not for the gateway's.
 */
import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { COMMON_NAME_MAX, issueCertificate, serverNames, type KeyPairPem } from "./authority.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** Nobody can take one back: whoever wants it for longer asks again. */
export const MODULE_CERTIFICATE_DAYS_MAX = 90;

export interface ModuleName {
  readonly gatewayId: string;
  /** Of the gateway. */
  readonly hostname: string;
  readonly moduleId: string;
}

export interface ModuleCertificate {
  /** PEM: its own, then the authority's. */
  readonly chain: string;
  /** PEM. A secret. */
  readonly privateKey: string;
  readonly notAfterMs: number;
}

/** RFC 1123: what a host may be called. */
const HOST_NAME = /^(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;
const HOST_NAME_LENGTH_MAX = 253;

/**
 * Names under which a module may serve: its own, and its own within the gateway's. None when that cannot be one of a
 * host, or is the gateway's.
 */
export function moduleHostNames({ gatewayId, hostname, moduleId }: ModuleName): readonly string[] {
  const name = moduleId.toLowerCase();
  const taken = [...serverNames(hostname), gatewayId].map((one) => one.toLowerCase());
  const within = isIP(hostname) === 0 ? [`${name}.${hostname.toLowerCase()}`] : [];
  return [name, ...within].filter(
    (one) =>
      HOST_NAME.test(one) && one.length <= HOST_NAME_LENGTH_MAX && isIP(one) === 0 && !taken.includes(one),
  );
}

/** For TLS servers. `names`: some of `moduleHostNames`, the first of which becomes the common name. */
export const issueModuleServerCertificate = (
  authority: KeyPairPem,
  names: readonly string[],
  notAfterMs: number,
  nowMs: number,
): Promise<ModuleCertificate> =>
  issue(authority, { commonName: names[0]!, names, usage: "serverAuth" }, notAfterMs, nowMs);

/**
 * For TLS clients. Its common name has a slash, which no device's name has: where the operator takes devices of this
 * authority, no module can come as a device.
 */
export function issueModuleIdentityCertificate(
  authority: KeyPairPem,
  { gatewayId, hostname, moduleId }: ModuleName,
  notAfterMs: number,
  nowMs: number,
): Promise<ModuleCertificate> {
  const name = `${gatewayId}/${moduleId}`;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 32);
  const commonName = name.length <= COMMON_NAME_MAX ? name : `module/${digest}`;
  const uri = `azureiot://${hostname}/devices/${encodeURIComponent(gatewayId)}/modules/${encodeURIComponent(moduleId)}`;
  return issue(authority, { commonName, names: [uri], usage: "clientAuth" }, notAfterMs, nowMs);
}

type Subject = Pick<Parameters<typeof issueCertificate>[1], "commonName" | "names" | "usage">;

async function issue(
  authority: KeyPairPem,
  subject: Subject,
  askedMs: number,
  nowMs: number,
): Promise<ModuleCertificate> {
  const authorityEndsMs = Date.parse(new X509Certificate(authority.certificate).validTo);
  const notAfterMs = Math.min(askedMs, nowMs + MODULE_CERTIFICATE_DAYS_MAX * DAY_MS, authorityEndsMs);
  const { certificate, privateKey } = await issueCertificate(authority, { ...subject, notAfterMs }, nowMs);
  return { chain: `${certificate}${authority.certificate}`, privateKey, notAfterMs };
}
