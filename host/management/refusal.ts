/** How the management API says that something could not be done. */
import { SandpiperError, toErrorRecord, type ErrorRecord } from "../../abi/index.ts";
import { RequestError } from "../http/server.ts";

/** Operating errors that are not listed were understood, and could not be done. */
const STATUS_OF: ReadonlyMap<string, number> = new Map([
  ["SP_REQUEST_TOKEN", 401],
  ["SP_REQUEST_HOST", 421],
  ["SP_IDENTITY_UNKNOWN", 404],
  ["SP_MODULE_UNKNOWN", 404],
  ["SP_ENDPOINT_UNKNOWN", 404],
  ["SP_DEAD_LETTER_UNKNOWN", 404],
  ["SP_TWIN_UNKNOWN", 404],
  ["SP_METHOD_OFFLINE", 404],
  ["SP_METHOD_REQUEST", 400],
  ["SP_C2D_MESSAGE", 400],
  ["SP_C2D_MODULE", 400],
  ["SP_TWIN_INVALID", 400],
  ["SP_IDENTITY_EXISTS", 409],
  ["SP_TWIN_ETAG", 412],
  ["SP_METHOD_BUSY", 429],
  ["SP_C2D_FULL", 429],
  ["SP_TWIN_BUSY", 429],
  ["SP_HUB_DOWN", 503],
  ["SP_HUB_ENDED", 503],
  ["SP_HUB_STOPPED", 503],
  ["SP_METHOD_RESULT", 502],
  ["SP_METHOD_TIMEOUT", 504],
]);
const NOT_POSSIBLE = 422;

/** For HTTP: a status, and the error as it is. */
export function refusal(error: unknown): {
  readonly status: number;
  readonly json: { readonly error: ErrorRecord };
} {
  return { status: statusOf(error), json: { error: toErrorRecord(error) } };
}

function statusOf(error: unknown): number {
  if (error instanceof RequestError) return error.status;
  return error instanceof SandpiperError ? statusOfCode(error.code) : 500;
}

/** With which status an operating error is answered. */
export const statusOfCode = (code: string): number => STATUS_OF.get(code) ?? NOT_POSSIBLE;
