/** SASL as the hub takes it (contract §5.1): pure, from a SASL-INIT to what it claims. */
import type { SaslInit } from "./codec.ts";
import type { AmqpIdentity } from "./handler.ts";

export const SASL_OUTCOME = { OK: 0, AUTH: 1 } as const;

export type SaslClaim =
  /** An identity with its token. */
  | { readonly kind: "token"; readonly identity: AmqpIdentity; readonly token: string }
  /** Nothing yet: a token follows by CBS. */
  | { readonly kind: "anonymous" }
  /** What the TLS layer has shown. */
  | { readonly kind: "certificate" }
  | { readonly kind: "refused"; readonly text: string };

const refused = (text: string): SaslClaim => ({ kind: "refused", text });

/** EXTERNAL is offered to who has shown a certificate. */
export const mechanismsFor = (hasCertificate: boolean): readonly string[] =>
  hasCertificate ? ["EXTERNAL", "MSSBCBS", "ANONYMOUS", "PLAIN"] : ["MSSBCBS", "ANONYMOUS", "PLAIN"];

export function decideSasl({ mechanism, response }: SaslInit, hasCertificate: boolean): SaslClaim {
  switch (mechanism) {
    case "ANONYMOUS":
    case "MSSBCBS":
      return { kind: "anonymous" };
    case "EXTERNAL":
      return hasCertificate ? { kind: "certificate" } : refused("EXTERNAL without a client certificate");
    case "PLAIN":
      return decidePlain(response);
    default:
      return refused(`mechanism "${mechanism.slice(0, 32)}" is not offered`);
  }
}

/** `authzid NUL user NUL token` (RFC 4616); the user is `{device}[/modules/{module}]@[sas.]{hub}`. */
function decidePlain(response: Buffer | null): SaslClaim {
  const fields = response?.toString("utf8").split("\0") ?? [];
  const [, user = "", token = ""] = fields;
  if (fields.length !== 3 || token === "") return refused("PLAIN without user and token");
  const name = user.slice(0, Math.max(0, user.lastIndexOf("@")));
  const [deviceId = "", modules, moduleId, ...others] = name.split("/");
  const isModule = modules?.toLowerCase() === "modules" && moduleId !== undefined && moduleId !== "";
  if (deviceId === "" || others.length > 0 || (modules !== undefined && !isModule)) {
    return refused("user is not <device>[/modules/<module>]@<hub>");
  }
  return { kind: "token", identity: { deviceId, moduleId: isModule ? moduleId : null }, token };
}
