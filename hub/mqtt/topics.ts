/**
 * The topics of IoT Hub (contract §4.3 to §4.5): a fixed grammar, so a topic is parsed, not matched. Who may
 * publish where is not decided here: compare the ids with the authenticated identity (`isOwnTopic`).
 */
import { NO_SECTIONS, type Sections } from "../../abi/index.ts";
import { escapeStrictly } from "../identity/percent-encoding.ts";
import { TOPIC_BYTES_MAX } from "./limits.ts";
import { decodeBag } from "./property-bag.ts";
import { parseQuery } from "./query-string.ts";

export interface TelemetryTopic {
  readonly kind: "telemetry";
  readonly deviceId: string;
  readonly moduleId: string | null;
  /** `$.on` of the bag. */
  readonly output: string | null;
  readonly sections: Sections;
}

/** `rid` as it is in the topic: it is echoed, never understood. */
export type ClientRequest =
  | { readonly kind: "twin_get"; readonly rid: string }
  | { readonly kind: "twin_patch"; readonly rid: string }
  | { readonly kind: "method_result"; readonly status: number; readonly rid: string };

export type ClientTopic =
  | TelemetryTopic
  | ClientRequest
  /** Not ours to understand: the message is acknowledged, lost, and logged (contract §4.2). */
  | { readonly kind: "unknown" }
  /** Ours, and wrong: acknowledged and lost as well, except that `mustClose` ends the connection (§4.2). */
  | { readonly kind: "malformed"; readonly mustClose: boolean; readonly reason: string };

const malformed = (mustClose: boolean, reason: string): ClientTopic => ({
  kind: "malformed",
  mustClose,
  reason,
});
const UNKNOWN: ClientTopic = { kind: "unknown" };

const TELEMETRY = /^devices\/([^/]+)(?:\/modules\/([^/]+))?\/messages\/events(?:\/(.*))?$/s;
const TWIN_PREFIX = "$iothub/twin/";
const TWIN_REQUEST = /^\$iothub\/twin\/(GET|PATCH\/properties\/reported)\/\?(.*)$/s;
const METHOD_RESULT = /^\$iothub\/methods\/res\/([^/]*)\/\?(.*)$/s;
const QUERY_PAIRS_MAX = 16;
// oxlint-disable-next-line no-control-regex -- NUL is one of them
const UNFIT_FOR_A_SEGMENT = /[/+#\u0000]/g;

export function parseClientTopic(topic: string): ClientTopic {
  const telemetry = TELEMETRY.exec(topic);
  if (telemetry !== null) return parseTelemetry(telemetry[1]!, telemetry[2] ?? null, telemetry[3] ?? "");
  if (topic.startsWith(TWIN_PREFIX)) return parseTwinRequest(topic);
  const result = METHOD_RESULT.exec(topic);
  return result === null ? UNKNOWN : parseMethodResult(result[1]!, result[2]!);
}

function parseTelemetry(deviceId: string, moduleId: string | null, tail: string): ClientTopic {
  // Clients end the topic with a slash, bag or no bag.
  const bag = tail.endsWith("/") ? tail.slice(0, -1) : tail;
  if (bag === "") return { kind: "telemetry", deviceId, moduleId, output: null, sections: NO_SECTIONS };
  const decoded = decodeBag(bag);
  if (!decoded.ok) return malformed(false, `property bag: ${decoded.reason}`);
  return { kind: "telemetry", deviceId, moduleId, output: decoded.output, sections: decoded.sections };
}

function parseTwinRequest(topic: string): ClientTopic {
  const request = TWIN_REQUEST.exec(topic);
  if (request === null) return malformed(true, "not a twin request");
  const rid = requestId(request[2]!);
  if (rid === null) return malformed(true, "twin request without $rid");
  return { kind: request[1] === "GET" ? "twin_get" : "twin_patch", rid };
}

function parseMethodResult(statusText: string, query: string): ClientTopic {
  const rid = requestId(query);
  if (rid === null) return malformed(false, "method result without $rid");
  if (!/^-?\d{1,9}$/.test(statusText)) return malformed(false, "method result without a numeric status");
  return { kind: "method_result", status: Number(statusText), rid };
}

const REQUEST_ID = /(?:^|&)(?:\$|%24)rid=([^&]+)/;

/** `null` when there is none, or the query is not well-formed. */
function requestId(query: string): string | null {
  if (parseQuery(query, QUERY_PAIRS_MAX, "first") === undefined) return null;
  return REQUEST_ID.exec(query)?.[1] ?? null;
}

/** Whether a topic with these ids belongs to the authenticated identity. */
export const isOwnTopic = (
  topic: { readonly deviceId: string; readonly moduleId: string | null },
  identity: { readonly deviceId: string; readonly moduleId: string | null },
): boolean => topic.deviceId === identity.deviceId && topic.moduleId === identity.moduleId;

export type Subscription = "methods" | "desired" | "twin_results" | "devicebound" | "inputs";

/** What a topic filter asks for, or `null`: granted like any other, and without effect (contract §4.2, §4.5). */
export function classifyFilter(filter: string): Subscription | null {
  if (filter.startsWith("$iothub/methods/POST/")) return "methods";
  if (filter.startsWith("$iothub/twin/PATCH/properties/desired/")) return "desired";
  if (filter === "$iothub/twin/res/#") return "twin_results";
  if (filter.endsWith("messages/devicebound/#")) return "devicebound";
  return isInputsFilter(filter) ? "inputs" : null;
}

/** `^devices/.+/modules/.+/#$`, without the backtracking that a long filter could buy with it. */
function isInputsFilter(filter: string): boolean {
  if (!filter.startsWith("devices/") || !filter.endsWith("/#")) return false;
  const modules = filter.indexOf("/modules/", "devices/".length + 1);
  return modules >= 0 && modules + "/modules/".length < filter.length - "/#".length;
}

/**
 * Topic of a message routed to a module's input. `bag` must not be empty: clients look for the segment behind
 * the input's name (contract §0). `null` when it would be longer than MQTT allows.
 */
export function inputTopic(deviceId: string, moduleId: string, input: string, bag: string): Buffer | null {
  return toTopic(`devices/${deviceId}/modules/${moduleId}/inputs/${escapeStrictly(input)}/${bag}`);
}

/** Topic of a cloud-to-device message; the slash behind `devicebound` is always there (contract §4.4). */
export function deviceboundTopic(deviceId: string, bag: string): Buffer | null {
  return toTopic(`devices/${deviceId}/messages/devicebound/${bag}`);
}

/** Topic of an answer to a twin request (contract §4.7). `null` when the request's id is too long to be echoed. */
export const twinResultTopic = (status: number, rid: string, version: number | null): Buffer | null =>
  toTopic(`$iothub/twin/res/${status}/?$rid=${rid}${version === null ? "" : `&$version=${version}`}`);

export const desiredTopic = (version: number): Buffer =>
  Buffer.from(`$iothub/twin/PATCH/properties/desired/?$version=${version}`);

/** Topic of a call (contract §4.8). A name may hold what a topic must not [MQTT-3.3.2-2]. */
export const methodTopic = (name: string, rid: string): Buffer =>
  Buffer.from(`$iothub/methods/POST/${name.replace(UNFIT_FOR_A_SEGMENT, escapeStrictly)}/?$rid=${rid}`);

function toTopic(text: string): Buffer | null {
  const bytes = Buffer.from(text);
  return bytes.length <= TOPIC_BYTES_MAX ? bytes : null;
}
