/**
 * `POST /twins/{device}[/modules/{module}]/methods`: a module of this gateway calls a method over HTTPS (contract
 * §7.4). A request in, an answer out: who listens is not decided here.
 */
import { toErrorRecord } from "../../abi/index.ts";
import type { Identity } from "../face.ts";
import { unescapeStrictly } from "../identity/percent-encoding.ts";
import type { SasVerdict } from "../identity/sas.ts";
import {
  decodeMethodRequest,
  MethodError,
  METHOD_PAYLOAD_BYTES_MAX,
  type MethodTargetName,
} from "./method-call.ts";
import type { Methods } from "./methods.ts";

/** Of a body; whoever reads it stops there. */
export const METHOD_REQUEST_BYTES_MAX = METHOD_PAYLOAD_BYTES_MAX + 4 * 1024;

export interface EndpointRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

export interface EndpointAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Who is known, and whether a token is theirs. */
export interface Credentials {
  find(name: MethodTargetName): Identity | null | undefined;
  verify(token: string, identity: Identity): SasVerdict;
}

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

export class MethodEndpoint {
  readonly #credentials: Credentials;
  readonly #methods: Pick<Methods, "invoke">;
  readonly #gatewayId: string;

  constructor(credentials: Credentials, methods: Pick<Methods, "invoke">, gatewayId: string) {
    this.#credentials = credentials;
    this.#methods = methods;
    this.#gatewayId = gatewayId;
  }

  /** `null`: the path is not one of these. */
  handle(request: EndpointRequest): Promise<EndpointAnswer> | null {
    const [path = "", query = ""] = request.url.split("?", 2);
    const target = targetOf(path);
    return target === null ? null : this.#call(request, query, target);
  }

  async #call(request: EndpointRequest, query: string, target: MethodTargetName): Promise<EndpointAnswer> {
    if (request.method !== "POST") {
      return {
        ...refusal(405, 405_000, "MethodNotAllowed", "only POST"),
        headers: { ...JSON_BODY, allow: "POST" },
      };
    }
    const refused = this.#refuseCaller(request, query);
    if (refused !== null) return refused;
    try {
      return answer(200, await this.#methods.invoke(target, decodeMethodRequest(parse(request.body))));
    } catch (error) {
      const { code, message } = toErrorRecord(error);
      const [status, number, name] = FAILURES[code] ?? [500, 500_000, "ServerError"];
      return refusal(status, number, name, status === 500 ? "the hub could not do it" : message);
    }
  }

  /** Only a module of this gateway, with a token of its own (contract §7.4). */
  #refuseCaller({ headers }: EndpointRequest, query: string): EndpointAnswer | null {
    const [, deviceId, moduleId] = CALLER.exec(single(headers[CALLER_HEADER])) ?? [];
    if (deviceId === undefined || moduleId === undefined) {
      return refusal(400, 400_004, "ArgumentInvalid", `header ${CALLER_HEADER} is not <device>/<module>`);
    }
    if (deviceId !== this.#gatewayId) return unauthorized("the caller is no module of this gateway");
    const identity = this.#credentials.find({ deviceId, moduleId });
    if (identity === undefined)
      return refusal(503, 503_000, "ServiceUnavailable", "identities are not known yet");
    if (identity === null || !identity.enabled) return unauthorized("the caller is not known");
    const token = new URLSearchParams(query).get("Authorization") ?? single(headers["authorization"]);
    if (!this.#credentials.verify(token, identity).ok) return unauthorized("the token is not the caller's");
    return null;
  }
}

function targetOf(path: string): MethodTargetName | null {
  const [, device, module] = PATH.exec(path) ?? [];
  if (device === undefined) return null;
  const deviceId = unescapeStrictly(device);
  const moduleId = module === undefined ? null : unescapeStrictly(module);
  const isMalformed = deviceId === null || (moduleId === null && module !== undefined);
  return isMalformed ? null : { deviceId, moduleId };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new MethodError("SP_METHOD_REQUEST", "method request: is not JSON");
  }
}

const single = (header: string | readonly string[] | undefined): string =>
  typeof header === "string" ? header : "";

const JSON_BODY = { "content-type": "application/json; charset=utf-8" };
const answer = (status: number, body: object): EndpointAnswer => ({
  status,
  headers: JSON_BODY,
  body: JSON.stringify(body),
});

/** As SDKs look for it: `Message` with the name before a semicolon; and for others, `errorCode` and `message`. */
const refusal = (status: number, errorCode: number, name: string, message: string): EndpointAnswer =>
  answer(status, { Message: `ErrorCode:${name};${message}`, errorCode, message });

const unauthorized = (message: string): EndpointAnswer =>
  refusal(401, 401_003, "IotHubUnauthorizedAccess", message);
