/**
 * Shared access signatures (contract §6.1): made by clients and tools, verified by the hub. What is signed is
 * `sr` exactly as it stands in the token, still escaped, then a line feed, then `se`.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { escapeStrictly, unescapeStrictly } from "./percent-encoding.ts";

const PREFIX = "SharedAccessSignature ";
/** Tokens of the SDKs are about 200 bytes. */
export const SAS_TOKEN_BYTES_MAX = 4_096;
/** How far a client's clock may be behind (contract §6.1). */
export const CLOCK_SKEW_MS = 300_000;
/** As IoT Hub demands. Above all, an empty key must never verify anything. */
export const KEY_BYTES_MIN = 16;
const SIGNATURE_BYTES = 32;
const FIELDS: ReadonlySet<string> = new Set(["sr", "sig", "se", "skn"]);

export interface SasToken {
  /** As sent. */
  readonly sr: string;
  readonly signature: Buffer;
  /** As sent: seconds since 1970. */
  readonly se: string;
  readonly policy: string | null;
}

/** What a token must be for: `{host}/devices/{deviceId}[/modules/{moduleId}]`, in any case. */
export interface SasAudience {
  /** Names of the hub and of this gateway. */
  readonly hosts: readonly string[];
  readonly deviceId: string;
  readonly moduleId: string | null;
}

export type SasVerdict =
  | {
      readonly ok: true;
      readonly expiresMs: number;
      /** The key that signed. */
      readonly by: string;
    }
  | { readonly ok: false; readonly reason: "malformed" | "expired" | "audience" | "signature" };

/** `keys`: base64, any of which may have signed. Tokens of a policy (`skn`) are not a device's, and refused. */
export function verifySasToken(
  text: string,
  audience: SasAudience,
  keys: readonly string[],
  nowMs: number,
): SasVerdict {
  const token = parseSasToken(text);
  if (token === null) return { ok: false, reason: "malformed" };
  const expiresMs = Number(token.se) * 1_000;
  if (nowMs > expiresMs + CLOCK_SKEW_MS) return { ok: false, reason: "expired" };
  if (token.policy !== null || !isForAudience(token.sr, audience)) return { ok: false, reason: "audience" };
  // All of them, always: how long it takes says nothing about which one fits.
  const [by] = keys.filter((key) => isSignedWith(token, key));
  return by === undefined ? { ok: false, reason: "signature" } : { ok: true, expiresMs, by };
}

/** Fields in any order, none twice. `null` when malformed. */
export function parseSasToken(text: string): SasToken | null {
  if (text.length > SAS_TOKEN_BYTES_MAX || !text.startsWith(PREFIX)) return null;
  const fields = new Map<string, string>();
  for (const field of text.slice(PREFIX.length).split("&")) {
    const equals = field.indexOf("=");
    const name = field.slice(0, Math.max(0, equals));
    if (!FIELDS.has(name) || fields.has(name)) return null;
    fields.set(name, field.slice(equals + 1));
  }
  const sr = fields.get("sr");
  const se = fields.get("se");
  const signature = decodeSignature(fields.get("sig"));
  if (sr === undefined || se === undefined || !/^\d{1,12}$/.test(se) || signature === null) return null;
  return { sr, signature, se, policy: fields.get("skn") || null };
}

function decodeSignature(escaped: string | undefined): Buffer | null {
  const base64 = unescapeStrictly(escaped ?? "");
  const bytes = base64 === null ? null : Buffer.from(base64, "base64");
  return bytes?.length === SIGNATURE_BYTES ? bytes : null;
}

function isForAudience(sr: string, { hosts, deviceId, moduleId }: SasAudience): boolean {
  const resource = unescapeStrictly(sr);
  if (resource === null) return false;
  const [host, ...path] = resource.split("/");
  const ids = moduleId === null ? ["devices", deviceId] : ["devices", deviceId, "modules", moduleId];
  return (
    hosts.some((name) => isSameName(name, host!)) &&
    path.length === ids.length &&
    // Ids with special characters are escaped by themselves before the whole is escaped.
    ids.every((id, i) => isSameName(id, path[i]!) || isSameName(id, unescapeStrictly(path[i]!) ?? ""))
  );
}

const isSameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

function isSignedWith({ sr, se, signature }: SasToken, key: string): boolean {
  const keyBytes = Buffer.from(key, "base64");
  return keyBytes.length >= KEY_BYTES_MIN && timingSafeEqual(sign(keyBytes, sr, se), signature);
}

const sign = (key: Buffer, sr: string, se: string): Buffer =>
  createHmac("sha256", key).update(`${sr}\n${se}`).digest();

/**
 * A token as the SDKs make it. `resource`: `{host}/devices/{id}[/modules/{id}]`, not escaped; `key`: base64;
 * `expiresAtSecs`: seconds since 1970.
 */
export function createSasToken(resource: string, key: string, expiresAtSecs: number): string {
  const sr = escapeStrictly(resource);
  const se = String(Math.ceil(expiresAtSecs));
  const signature = sign(Buffer.from(key, "base64"), sr, se).toString("base64");
  return `${PREFIX}sr=${sr}&sig=${escapeStrictly(signature)}&se=${se}`;
}
