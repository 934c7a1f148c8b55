/**
 * `POST /twins/{device}[/modules/{module}]/methods`: a module of this gateway calls a method over HTTPS (contract
 * §7.4). A request in, a response out: who listens is not decided here.
 */
import { toErrorRecord } from "../../abi/index.ts";
import type { Identity } from "../face.ts";
import { unescapeStrictly } from "../identity/percent-encoding.ts";
import type { SasVerdict } from "../identity/sas.ts";
import type { WebRequest, WebResponse, WebRoute } from "../websocket/router.ts";
import {
  decodeMethodRequest,
  MethodError,
  METHOD_PAYLOAD_BYTES_MAX,
  type MethodTargetName,
} from "./method-call.ts";
import type { Methods } from "./methods.ts";

/** Of a body: the largest payload, and what stands around it. */
const METHOD_REQUEST_BYTES_MAX = METHOD_PAYLOAD_BYTES_MAX + 4 * 1024;

/** Who is known, and whether a token is theirs. */
export interface Credentials {
  find(name: MethodTargetName): Identity | null | undefined;
  verify(token: string, identity: Identity): SasVerdict;
}

/** Ids are percent-encoded. */
const PATH = /^\/twins\/([^/]+)(?:\/modules\/([^/]+))?\/methods\/?$/;
const CALLER_HEADER = "x-ms-edge-moduleid";
const CALLER = /^([^/]+)\/([^/]+)$/;

/** By an error's code: status, IoT Hub's number, and its name for it. */
const FAILURES: Readonly<Record<string, readonly [status: number, number: number, name: string]>> = {
  SP_METHOD_REQUEST: [400, 400_004, "ArgumentInvalid"],
  SP_METHOD_OFFLINE: [404, 404_103, "DeviceNotOnline"],
  SP_METHOD_BUSY: [429, 429_001, "ThrottlingException"],
  SP_METHOD_RESULT: [502, 502_101, "DeviceInvalidResponse"],
  SP_METHOD_TIMEOUT: [504, 504_101, "GatewayTimeout"],
};

export interface MethodRouteOptions {
  readonly credentials: Credentials;
  readonly methods: Pick<Methods, "invoke">;
  readonly gatewayId: string;
}

export const methodRoute = (options: MethodRouteOptions): WebRoute => ({
  method: "POST",
  path: PATH,
  bodyBytesMax: METHOD_REQUEST_BYTES_MAX,
  answer: async (request) => refuseCaller(request, options) ?? (await call(request, options)),
});

/** Only a module of this gateway, with a token of its own (contract §7.4). */
function refuseCaller(
  { headers, query }: WebRequest,
  { credentials, gatewayId }: MethodRouteOptions,
): WebResponse | null {
  const [, deviceId, moduleId] = CALLER.exec(single(headers[CALLER_HEADER])) ?? [];
  if (deviceId === undefined || moduleId === undefined) {
    return refusal(400, 400_004, "ArgumentInvalid", `header ${CALLER_HEADER} is not <device>/<module>`);
  }
  if (deviceId !== gatewayId) return unauthorized("the caller is no module of this gateway");
  const identity = credentials.find({ deviceId, moduleId });
  if (identity === undefined) {
    return refusal(503, 503_000, "ServiceUnavailable", "identities are not known yet");
  }
  if (identity === null || !identity.enabled) return unauthorized("the caller is not known");
  const token = query.get("Authorization") ?? headers.authorization ?? "";
  if (!credentials.verify(token, identity).ok) return unauthorized("the token is not the caller's");
  return null;
}

async function call({ path, body }: WebRequest, { methods }: MethodRouteOptions): Promise<WebResponse> {
  try {
    return { status: 200, body: await methods.invoke(targetOf(path), decodeMethodRequest(parse(body))) };
  } catch (error) {
    const { code, message } = toErrorRecord(error);
    const [status, number, name] = FAILURES[code] ?? [500, 500_000, "ServerError"];
    return refusal(status, number, name, status === 500 ? "the hub could not do it" : message);
  }
}

function targetOf(path: string): MethodTargetName {
  const [deviceId, moduleId] = PATH.exec(path)!
    .slice(1)
    .map((id) => (id === undefined ? null : decoded(id)));
  return { deviceId: deviceId!, moduleId: moduleId ?? null };
}

function decoded(id: string): string {
  const text = unescapeStrictly(id);
  if (text !== null) return text;
  throw new MethodError("SP_METHOD_REQUEST", `method request: "${id}" is not percent-encoded`);
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new MethodError("SP_METHOD_REQUEST", "method request: is not JSON");
  }
}

/** Of a header that is sent twice, none counts. */
const single = (header: string | readonly string[] | undefined): string =>
  typeof header === "string" ? header : "";

/** As SDKs look for it: `Message` with the name before a semicolon; and for others, `errorCode` and `message`. */
const refusal = (status: number, errorCode: number, name: string, message: string): WebResponse => ({
  status,
  body: { Message: `ErrorCode:${name};${message}`, errorCode, message },
});

const unauthorized = (message: string): WebResponse =>
  refusal(401, 401_003, "IotHubUnauthorizedAccess", message);
