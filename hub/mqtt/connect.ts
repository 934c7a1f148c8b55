/**
 * Who connects, and whether they may (contract §4.1): pure, from a CONNECT's fields to a CONNACK code. Each
 * refusal says whether the client's SDK will try again: it gives up on 5 and retries on 3.
 */
import type { Identity } from "../face.ts";
import { verifyClientCertificate, type ShownCertificate } from "../identity/client-certificate.ts";
import type { SasVerdict } from "../identity/sas.ts";
import { CONNACK, type ConnectRequest } from "./handler.ts";
import { parseQuery } from "./query-string.ts";

const QUERY_PAIRS_MAX = 32;

/** What a CONNECT claims; nothing of it is proved yet. */
export interface ConnectClaim {
  readonly deviceId: string;
  readonly moduleId: string | null;
  /** Must be there, and may be anything. */
  readonly apiVersion: string;
  /** Of a nested gateway: the password is then not the client's own. */
  readonly authChain: string | null;
  readonly modelId: string | null;
  /** The SDK's name for itself. */
  readonly clientType: string | null;
}

const row = (code: 3 | 5, text: string) => ({ code, text });

/** Every reason to refuse; the key is a label of metrics. */
export const REFUSAL = {
  username_absent: row(CONNACK.NOT_AUTHORIZED, "there is no user name"),
  username_malformed: row(
    CONNACK.SERVER_UNAVAILABLE,
    "user name is not <host>/<device>[/<module>]/?api-version=...",
  ),
  client_id_mismatch: row(CONNACK.NOT_AUTHORIZED, "client id is not that of the user name"),
  auth_chain_unsupported: row(CONNACK.NOT_AUTHORIZED, "nested gateways (auth-chain) are not supported"),
  password_absent: row(CONNACK.NOT_AUTHORIZED, "there is no password"),
  identities_loading: row(CONNACK.SERVER_UNAVAILABLE, "identities are not loaded yet"),
  identity_unknown: row(CONNACK.NOT_AUTHORIZED, "no such device or module"),
  identity_disabled: row(CONNACK.NOT_AUTHORIZED, "device or module is disabled"),
  token_malformed: row(CONNACK.NOT_AUTHORIZED, "password is not a shared access signature"),
  token_expired: row(CONNACK.NOT_AUTHORIZED, "token has expired; is the client's clock right?"),
  token_audience: row(CONNACK.NOT_AUTHORIZED, "token is for another resource"),
  token_signature: row(CONNACK.NOT_AUTHORIZED, "token is signed with another key"),
  certificate_unused: row(CONNACK.NOT_AUTHORIZED, "showed a certificate, and is registered with keys"),
  certificate_dates: row(CONNACK.NOT_AUTHORIZED, "certificate has expired, or is not valid yet"),
  certificate_thumbprint: row(
    CONNACK.NOT_AUTHORIZED,
    "certificate is another one than those that are pinned",
  ),
  certificate_common_name: row(CONNACK.NOT_AUTHORIZED, "certificate is for another device id"),
  certificate_chain: row(CONNACK.NOT_AUTHORIZED, "certificate is of no authority in deviceAuthorities"),
} as const;
export type Refusal = keyof typeof REFUSAL;

export type ConnectDecision =
  | {
      readonly accepted: true;
      readonly claim: ConnectClaim;
      /** Of the token, or of the certificate that came in its place. */
      readonly tokenExpiresMs: number;
      readonly byCertificate: boolean;
      /** The key that signed, or the certificate. */
      readonly provenBy: string;
    }
  | { readonly accepted: false; readonly refusal: Refusal; readonly code: 3 | 5; readonly text: string };

const refuse = (refusal: Refusal): ConnectDecision => ({ accepted: false, refusal, ...REFUSAL[refusal] });

export interface ConnectChecks {
  /** `undefined` while the identities are not known yet. */
  readonly identityOf: (deviceId: string, moduleId: string | null) => Identity | null | undefined;
  /** Verdict on the password as a token of this identity; see `verifySasToken`. */
  readonly verify: (token: string, identity: Identity) => SasVerdict;
  /** What TLS has shown. Asked of who has no password. */
  readonly certificate: () => ShownCertificate | null;
  /** Wall clock, ms. */
  readonly nowMs: number;
}

export function decideConnect(request: ConnectRequest, checks: ConnectChecks): ConnectDecision {
  const { username, password, clientId } = request;
  if (username === null) return refuse("username_absent");
  const claim = parseUsername(username);
  if (claim === null) return refuse("username_malformed");
  const { deviceId, moduleId } = claim;
  if (clientId !== (moduleId === null ? deviceId : `${deviceId}/${moduleId}`))
    return refuse("client_id_mismatch");
  if (claim.authChain !== null) return refuse("auth_chain_unsupported");
  const token = password === null || password.length === 0 ? null : password.toString("latin1");
  const certificate = token === null ? checks.certificate() : null;
  if (token === null && certificate === null) return refuse("password_absent");
  const identity = checks.identityOf(deviceId, moduleId);
  if (identity === undefined) return refuse("identities_loading");
  if (identity === null) return refuse("identity_unknown");
  if (!identity.enabled) return refuse("identity_disabled");
  if (token === null) return decideCertificate(certificate!, claim, identity, checks.nowMs);
  const verdict = checks.verify(token, identity);
  if (!verdict.ok) return refuse(`token_${verdict.reason}`);
  return accept(claim, verdict, false);
}

const accept = (
  claim: ConnectClaim,
  { expiresMs, by }: { readonly expiresMs: number; readonly by: string },
  byCertificate: boolean,
): ConnectDecision => ({ accepted: true, claim, tokenExpiresMs: expiresMs, byCertificate, provenBy: by });

/** Modules are registered with keys alone. */
function decideCertificate(
  certificate: ShownCertificate,
  claim: ConnectClaim,
  { deviceId, moduleId, authentication }: Identity,
  nowMs: number,
): ConnectDecision {
  if (moduleId !== undefined || authentication.type === "sas") return refuse("certificate_unused");
  const verdict = verifyClientCertificate(certificate, deviceId, authentication, nowMs);
  if (!verdict.ok) return refuse(`certificate_${verdict.reason}`);
  return accept(claim, verdict, true);
}

/**
 * `<host>/<device>[/<module>]/?<query>`, the same without `?`, or the six-part form of old clients, whose
 * query holds slashes. The host is not looked at.
 */
export function parseUsername(username: string): ConnectClaim | null {
  const mark = username.indexOf("/?");
  if (mark >= 0) return toClaim(username.slice(0, mark).split("/"), username.slice(mark + 2));
  const parts = username.split("/");
  if (parts.length === 6) return toClaim(parts.slice(0, 3), parts.slice(3).join("/").replace("/", "&"));
  return toClaim(parts.slice(0, -1), parts.at(-1)!);
}

function toClaim(ids: readonly string[], query: string): ConnectClaim | null {
  const [, deviceId, moduleId = null] = ids;
  if (ids.length > 3 || deviceId === undefined || deviceId === "" || moduleId === "") return null;
  const pairs = parseQuery(query, QUERY_PAIRS_MAX, "first");
  const apiVersion = pairs?.get("api-version");
  if (pairs === undefined || apiVersion === undefined) return null;
  return {
    deviceId,
    moduleId,
    apiVersion: apiVersion ?? "",
    authChain: pairs.get("auth-chain") ?? null,
    modelId: pairs.get("model-id") ?? null,
    clientType: pairs.get("DeviceClientType") ?? null,
  };
}
