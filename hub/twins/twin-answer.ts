/**
 * What a client is told about its twin: a status like HTTP's and a body that is JSON, or empty. An error always
 * has a body, since SDKs look for `errorCode` in it and not at the status (contract §4.7).
 */
import { toErrorRecord } from "../../abi/index.ts";

export interface TwinAnswer {
  readonly status: 200 | 204 | 400 | 404 | 429 | 500;
  readonly body: Buffer;
  /** Of the reported properties, after a patch of them. */
  readonly version: number | null;
}

const EMPTY = Buffer.alloc(0);

/** IoT Hub's numbers: the status, and three digits of its own. */
const ERROR_CODE = { 400: 400_000, 404: 404_001, 429: 429_001, 500: 500_000 } as const;
type ErrorStatus = keyof typeof ERROR_CODE;

export const twinRead = (view: object): TwinAnswer => ({
  status: 200,
  body: Buffer.from(JSON.stringify(view)),
  version: null,
});

export const twinPatched = (version: number): TwinAnswer => ({ status: 204, body: EMPTY, version });

export const twinRefused = (status: ErrorStatus, message: string): TwinAnswer => ({
  status,
  body: Buffer.from(JSON.stringify({ errorCode: ERROR_CODE[status], message })),
  version: null,
});

/** By the stable code of an error. A bug says no more than that it is one. */
export function twinFailed(error: unknown): TwinAnswer {
  const { code, message } = toErrorRecord(error);
  if (code === "SP_TWIN_INVALID") return twinRefused(400, message);
  if (code === "SP_TWIN_UNKNOWN") return twinRefused(404, message);
  if (code === "SP_TWIN_BUSY") return twinRefused(429, message);
  return twinRefused(500, "the hub could not do it");
}
