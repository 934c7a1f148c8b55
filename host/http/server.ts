/**
 * HTTP with JSON, as much of it as the APIs of the host need: routes with parameters, bounded bodies, errors in the
 * form of each API, answers that stream. On `node:http` alone, because a framework would be an eighth of an idle
 * gateway's memory (docs/decisions/0010-management-api-on-node-http.md).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { SandpiperError } from "../../abi/index.ts";
import type { Log } from "../log.ts";

/** For the head of a request: a peer that is slower is not one of ours. */
const HEADERS_TIMEOUT_MS = 10_000;
/** For all of a request. */
const REQUEST_TIMEOUT_MS = 60_000;
const HEADER_BYTES_MAX = 8 * 1024;
const CONNECTIONS_MAX = 64;
const UNAUTHORIZED = 401;

export interface Request {
  /** Decoded, by the names in the route's path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Parsed JSON; `undefined` without a body. */
  readonly body: unknown;
  /** Aborted when whoever asked is gone, or the server closes. */
  readonly signal: AbortSignal;
}

/** Nothing is 204; a value is JSON; lines are sent as they come. */
export type Answer =
  | { readonly status?: number; readonly json: unknown }
  | { readonly lines: AsyncIterable<string>; readonly contentType?: string }
  | null;

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Segments that begin with a colon are parameters: `/devices/:deviceId`. */
  readonly path: string;
  handle(request: Request): Promise<Answer>;
}

/** What the peer asked for cannot be understood. Codes: SP_REQUEST_INVALID, SP_REQUEST_UNKNOWN. */
export class RequestError extends SandpiperError {
  readonly status: number;

  constructor(status: number, message: string, hint?: string) {
    const code = status === 404 ? "SP_REQUEST_UNKNOWN" : "SP_REQUEST_INVALID";
    super(code, `request: ${message}`, hint === undefined ? {} : { hint });
    this.status = status;
  }
}

export interface HttpOptions {
  readonly routes: readonly Route[];
  readonly bodyBytesMax: number;
  /** Who asks with a larger one is told. */
  readonly bodyHint?: string;
  /** What whoever asked is told of an error. 500 is for bugs: they are logged. */
  readonly refuse: (error: unknown) => { readonly status: number; readonly json: unknown };
  /** Asked before anything is read of the body; rejects with why not. Absent: who can connect may ask. */
  readonly admit?: (request: IncomingMessage) => Promise<void>;
  readonly log: Log;
  /** Ends what streams. */
  readonly closing: AbortSignal;
}

export function createHttpServer(options: HttpOptions): Server {
  const limits = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
  };
  const server = createServer(limits, (request, response) => void answer(request, response, options));
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

/** Never rejects. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpOptions,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    await options.admit?.(request);
    const { route, params, query } = findRoute(options.routes, request);
    const body = await readBody(request, options);
    const signal = AbortSignal.any([gone.signal, options.closing]);
    await send(response, await route.handle({ params, query, body, signal }));
  } catch (error) {
    // Half an answer, or nobody to answer: all that is left is to say so by ending it.
    if (response.headersSent || gone.signal.aborted) return void response.destroy();
    const refusal = options.refuse(error);
    if (refusal.status === 500)
      options.log.error({ ...describeBug(error), url: request.url }, "request failed");
    if (refusal.status === UNAUTHORIZED) response.setHeader("www-authenticate", "Bearer");
    await send(response, refusal).catch(() => response.destroy());
  }
}

async function send(response: ServerResponse, answer: Answer): Promise<void> {
  if (answer === null) {
    response.writeHead(204).end();
  } else if ("json" in answer) {
    response.writeHead(answer.status ?? 200, { "content-type": "application/json; charset=utf-8" });
    response.end(JSON.stringify(answer.json));
  } else {
    response.writeHead(200, { "content-type": `${answer.contentType ?? "text/plain"}; charset=utf-8` });
    response.flushHeaders();
    await pipeline(Readable.from(terminated(answer.lines)), response);
  }
}

async function* terminated(lines: AsyncIterable<string>): AsyncIterable<string> {
  for await (const line of lines) yield `${line}\n`;
}

const describeBug = (error: unknown) =>
  error instanceof Error ? { err: error, stack: error.stack } : { err: String(error) };

function findRoute(
  routes: readonly Route[],
  { method, url = "/" }: IncomingMessage,
): { route: Route; params: Record<string, string>; query: URLSearchParams } {
  const [path = "", search = ""] = url.split("?", 2);
  for (const route of routes) {
    const params = route.method === method ? matchPath(route.path, path) : null;
    if (params) return { route, params, query: new URLSearchParams(search) };
  }
  throw new RequestError(
    404,
    `no ${method} ${path}`,
    "this client may be of another version than the gateway",
  );
}

function matchPath(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [i, segment] of wanted.entries()) {
    if (segment.startsWith(":")) params[segment.slice(1)] = decodeSegment(given[i]!);
    else if (segment !== given[i]) return null;
  }
  return params;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new RequestError(400, `path segment "${segment}" is not percent-encoded`);
  }
}

/** All of it, but never more than `bytesMax`. */
async function readBody(
  request: IncomingMessage,
  { bodyBytesMax: bytesMax, bodyHint }: HttpOptions,
): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = Number(request.headers["content-length"] ?? 0);
  if (bytes <= bytesMax) {
    bytes = 0;
    // Left open on the way out: the connection has an answer to carry yet.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length;
      if (bytes > bytesMax) break;
      chunks.push(chunk as Buffer);
    }
  }
  if (bytes > bytesMax) throw new RequestError(413, `body has more than ${bytesMax} bytes`, bodyHint);
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw new RequestError(400, `body is not JSON: ${(error as Error).message}`);
  }
}
