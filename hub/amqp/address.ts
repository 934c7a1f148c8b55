/**
 * Addresses of links (contract §5.3), to what they are for: in any case, and also as `amqps://host/...`. The
 * ids in them come percent-encoded from some SDKs, and plain from others.
 */
import { unescapeStrictly } from "../identity/percent-encoding.ts";
import type { AmqpIdentity } from "./handler.ts";
import { ADDRESS_CHARACTERS_MAX } from "./limits.ts";

/** What a client sends on, or receives from, an address. */
export type LinkKind = "events" | "inputs" | "devicebound" | "methods" | "twin";

export interface LinkPurpose {
  readonly kind: LinkKind;
  readonly identity: AmqpIdentity;
}

export const CBS_ADDRESS = "$cbs";

/** By the end of the path: what the client sends there (`in`), what it receives (`out`). */
const ENDS: ReadonlyMap<string, { readonly in: LinkKind | null; readonly out: LinkKind | null }> = new Map([
  ["messages/events", { in: "events", out: "inputs" }],
  ["messages/devicebound", { in: null, out: "devicebound" }],
  ["methods/devicebound", { in: "methods", out: "methods" }],
  ["twin", { in: "twin", out: "twin" }],
]);

export type ParsedAddress = LinkPurpose | "not_found" | "wrong_direction";

/** `isReceiver`: the client receives. */
export function parseAddress(address: string | null, isReceiver: boolean): ParsedAddress {
  if (address === null || address.length > ADDRESS_CHARACTERS_MAX) return "not_found";
  const parts = pathOf(address).split("/");
  const isModule = parts[2]?.toLowerCase() === "modules";
  const end = ENDS.get(
    parts
      .slice(isModule ? 4 : 2)
      .join("/")
      .toLowerCase(),
  );
  const deviceId = unescapeStrictly(parts[1] ?? "");
  const moduleId = isModule ? unescapeStrictly(parts[3] ?? "") : null;
  if (parts[0]?.toLowerCase() !== "devices" || end === undefined || !deviceId || moduleId === "")
    return "not_found";
  const kind = isReceiver ? end.out : end.in;
  // Only modules have inputs.
  if (kind === null || (kind === "inputs" && moduleId === null)) return "wrong_direction";
  return { kind, identity: { deviceId, moduleId } };
}

/** Without scheme, host and the slash in front. */
function pathOf(address: string): string {
  const scheme = address.indexOf("://");
  if (scheme < 0) return address.startsWith("/") ? address.slice(1) : address;
  const path = address.indexOf("/", scheme + 3);
  return path < 0 ? "" : address.slice(path + 1);
}

/** The identity of an audience, `{host}/devices/{d}[/modules/{m}]`, escaped or not; `null` when it is none. */
export function parseAudience(audience: string): AmqpIdentity | null {
  if (audience.length > ADDRESS_CHARACTERS_MAX) return null;
  const text = audience.includes("/") ? audience : unescapeStrictly(audience);
  const path = text?.slice(text.indexOf("://") < 0 ? 0 : text.indexOf("://") + 3) ?? "";
  const [, devices, device, modules, module, ...others] = path.split("/");
  if (devices?.toLowerCase() !== "devices" || others.length > 0) return null;
  if (modules !== undefined && (modules.toLowerCase() !== "modules" || module === undefined)) return null;
  const deviceId = unescapeStrictly(device ?? "");
  const moduleId = module === undefined ? null : unescapeStrictly(module);
  return !deviceId || moduleId === "" ? null : { deviceId, moduleId };
}
