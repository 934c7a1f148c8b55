/**
 * The management API: HTTP on a Unix socket that only the gateway's owner can open. File permissions are its
 * authentication, so it never listens on a network. It is up before the hub is, and stays up when the hub
 * fails: a gateway in trouble must be able to say so.
 *
 * Every request is checked against a schema, every body is bounded, every answer that is not a success is
 * `{ "error": { code, message, hint?, details } }`.
 */
import { chmod, rm } from "node:fs/promises";
import type { FastifyError, FastifyInstance } from "fastify";
import { SandpiperError, toErrorRecord, type ErrorRecord } from "../../abi/index.ts";
import type { Log } from "../log.ts";
import { socketPath } from "../socket-path.ts";
import type { ManagementBackend } from "./backend.ts";
import { deviceRoutes } from "./devices.ts";
import { messageRoutes } from "./messages.ts";
import { moduleRoutes } from "./modules.ts";

const CONNECTIONS_MAX = 64;
/** Ids are at most 128 characters; each may be percent-encoded. */
const PARAMETER_LENGTH_MAX = 3 * 128;
/** For the head of a request: a peer that is slower is not one of ours. */
const HEADERS_TIMEOUT_MS = 10_000;

export interface ManagementServer {
  /** Stops listening, ends open requests, removes the socket. */
  close(): Promise<void>;
}

/**
 * @param socket where to listen; in a private folder (0700) that the caller has locked, so that a socket found
 *   there is a dead one
 */
export async function startManagementServer(
  backend: ManagementBackend,
  options: { readonly socket: string; readonly bodyBytesMax: number; readonly log: Log },
): Promise<ManagementServer> {
  const { fastify } = await import("fastify");
  const closing = new AbortController();
  const app = fastify({
    logger: false,
    bodyLimit: options.bodyBytesMax,
    forceCloseConnections: true,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  answerErrors(app, options.log);
  moduleRoutes(app, backend, closing.signal);
  deviceRoutes(app, backend);
  messageRoutes(app, backend);

  await rm(options.socket, { force: true });
  const short = socketPath(options.socket);
  await app.listen({ path: short.path });
  await chmod(options.socket, 0o600);
  return {
    async close() {
      closing.abort();
      await app.close();
      short.release();
    },
  };
}

function answerErrors(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler((request) => {
    throw new SandpiperError("SP_REQUEST_UNKNOWN", `request: no ${request.method} ${request.url}`, {
      hint: "this client may be of another version than the gateway",
    });
  });
  app.setErrorHandler<FastifyError | SandpiperError>((error, request, reply) => {
    const { status, record } = describe(error);
    if (status === 500) log.error({ err: error, stack: error.stack, url: request.url }, "request failed");
    return reply.code(status).send({ error: record });
  });
}

/** Operating errors that are not listed were understood, and could not be done. */
const STATUS_OF: ReadonlyMap<string, number> = new Map([
  ["SP_REQUEST_UNKNOWN", 404],
  ["SP_IDENTITY_UNKNOWN", 404],
  ["SP_MODULE_UNKNOWN", 404],
  ["SP_IDENTITY_EXISTS", 409],
  ["SP_HUB_DOWN", 503],
  ["SP_HUB_ENDED", 503],
  ["SP_HUB_STOPPED", 503],
]);
const NOT_POSSIBLE = 422;

function describe(error: FastifyError | SandpiperError): { status: number; record: ErrorRecord } {
  if (error instanceof SandpiperError) {
    return { status: STATUS_OF.get(error.code) ?? NOT_POSSIBLE, record: toErrorRecord(error) };
  }
  const { statusCode = 500 } = error;
  if (statusCode >= 500) return { status: 500, record: toErrorRecord(error) };
  // What fastify itself refuses: schema, JSON, size, content type.
  const record = { code: "SP_REQUEST_INVALID", message: `request: ${error.message}`, details: {} };
  const hint = "management.bodyBytesMax in gateway.json says how large a request may be";
  return { status: statusCode, record: statusCode === 413 ? { ...record, hint } : record };
}
