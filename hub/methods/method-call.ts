/**
 * What a direct method call is made of, and what may not be in one (contract §7.4, §9). Pure.
 */
import { SandpiperError } from "../../abi/index.ts";
import type { MethodRequest, MethodResult } from "../face.ts";

export const METHOD_NAME_CHARS_MAX = 100;
/** Of a request and of a response, as JSON. */
export const METHOD_PAYLOAD_BYTES_MAX = 128 * 1024;
const RESPONSE_TIMEOUT_SECS = { min: 5, max: 300, default: 30 } as const;
/** 0: must be there now. */
const CONNECT_TIMEOUT_SECS = { min: 0, max: 300, default: 0 } as const;

export interface MethodTargetName {
  readonly deviceId: string;
  readonly moduleId: string | null;
}

export interface MethodCall {
  readonly name: string;
  /** JSON. For none it is `null`: SDKs parse it, and take nothing at all for a bad request. */
  readonly payload: Buffer;
  readonly responseTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

/** SP_METHOD_REQUEST, _OFFLINE, _TIMEOUT, _BUSY, _RESULT. `details.target` names the callee. */
export class MethodError extends SandpiperError {}

/** Checks every field, whoever sent it. @throws {MethodError} SP_METHOD_REQUEST */
export function decodeMethodRequest(request: unknown): MethodCall {
  if (typeof request !== "object" || request === null) throw invalid("must be a JSON object");
  const { methodName, payload, responseTimeoutInSeconds, connectTimeoutInSeconds } =
    request as Partial<MethodRequest>;
  if (typeof methodName !== "string" || methodName === "" || methodName.length > METHOD_NAME_CHARS_MAX) {
    throw invalid(
      `methodName ${JSON.stringify(methodName)} is no text of 1 to ${METHOD_NAME_CHARS_MAX} characters`,
    );
  }
  return {
    name: methodName,
    payload: encodePayload(payload),
    responseTimeoutMs: seconds("responseTimeoutInSeconds", responseTimeoutInSeconds, RESPONSE_TIMEOUT_SECS),
    connectTimeoutMs: seconds("connectTimeoutInSeconds", connectTimeoutInSeconds, CONNECT_TIMEOUT_SECS),
  };
}

function encodePayload(payload: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(payload ?? null));
  if (json.length > METHOD_PAYLOAD_BYTES_MAX) {
    throw invalid(`payload has ${json.length} bytes, at most ${METHOD_PAYLOAD_BYTES_MAX}`);
  }
  return json;
}

function seconds(
  field: string,
  value: unknown,
  bounds: { readonly min: number; readonly max: number; readonly default: number },
): number {
  if (value === undefined || value === null) return bounds.default * 1_000;
  if (typeof value !== "number" || !(value >= bounds.min && value <= bounds.max)) {
    throw invalid(`${field} ${JSON.stringify(value)} is not from ${bounds.min} to ${bounds.max}`);
  }
  return value * 1_000;
}

const invalid = (what: string): MethodError =>
  new MethodError("SP_METHOD_REQUEST", `method request: ${what}`, {
    hint: "{ methodName, payload?, responseTimeoutInSeconds? (5-300), connectTimeoutInSeconds? (0-300) }",
  });

/** A callee's answer. Its status may be anything; its body must be JSON, or empty. */
export function decodeMethodResult(status: number, body: Buffer): MethodResult | { readonly fault: string } {
  if (body.length > METHOD_PAYLOAD_BYTES_MAX) {
    return { fault: `answered with ${body.length} bytes, at most ${METHOD_PAYLOAD_BYTES_MAX}` };
  }
  if (body.length === 0) return { status, payload: null };
  try {
    return { status, payload: JSON.parse(body.toString()) as unknown };
  } catch {
    return { fault: "answered with something that is not JSON" };
  }
}
