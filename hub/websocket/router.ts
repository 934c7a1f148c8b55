/**
 * The HTTP requests that the web listener answers besides upgrades: each route is a function from a request, whose
 * body has been read within bounds, to a response. Whoever asks for anything else is told 404. A route decides by
 * itself who may ask.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { BODY_BYTES_MAX, REQUESTS_MAX } from "./limits.ts";
import { pathOf } from "./upgrade.ts";

export interface WebRequest {
  readonly method: string;
  /** Without query; still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface WebResponse {
  readonly status: number;
  /** Sent as JSON; absent = no body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WebRoute {
  readonly method: string;
  /** Matched against the whole path, before its body is read. */
  readonly path: RegExp;
  readonly bodyBytesMax?: number;
  /** A rejection is answered with 500 and without its reason. */
  readonly answer: (request: WebRequest) => Promise<WebResponse>;
}

const say = (status: number, message: string): WebResponse => ({ status, body: { Message: message } });

const NOT_FOUND = say(404, "no such resource");
const TOO_LARGE = say(413, "body is too large");
const TOO_MANY = say(503, "too many requests at once");
const FAILED = say(500, "request failed");

/** A listener for Node's HTTP server. `report`: what a route failed with. */
export function answering(
  routes: readonly WebRoute[],
  report: (error: Error) => void,
): (request: IncomingMessage, response: ServerResponse) => void {
  let underWay = 0;
  return (request, response) => {
    const refusal = underWay >= REQUESTS_MAX ? TOO_MANY : null;
    const route = refusal ?? findRoute(routes, request) ?? NOT_FOUND;
    if ("status" in route) return send(response, route, true);
    underWay++;
    answer(route, request)
      .catch((error: unknown) => {
        report(error instanceof Error ? error : new Error(String(error)));
        return FAILED;
      })
      // An unread rest of the body would be taken for the next request.
      .then((answered) => send(response, answered, !request.complete))
      .catch(report)
      .finally(() => underWay--);
  };
}

const findRoute = (
  routes: readonly WebRoute[],
  { method, url = "" }: IncomingMessage,
): WebRoute | undefined =>
  routes.find((route) => route.method === method && route.path.exec(pathOf(url))?.[0] === pathOf(url));

async function answer(route: WebRoute, request: IncomingMessage): Promise<WebResponse> {
  const body = await readBody(request, route.bodyBytesMax ?? BODY_BYTES_MAX);
  if (body === null) return TOO_LARGE;
  const { method = "", url = "", headers } = request;
  const path = pathOf(url);
  const query = new URLSearchParams(url.slice(path.length));
  return route.answer({ method, path, query, headers, body });
}

/** `null`: more than `bytesMax`. Rejects when the client goes away. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | null> {
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) return null;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else {
        request.pause();
        resolve(null);
      }
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", reject);
  });
}

function send(response: ServerResponse, { status, body, headers }: WebResponse, isLast: boolean): void {
  const text = body === undefined ? "" : JSON.stringify(body);
  response.writeHead(status, {
    ...(body === undefined ? {} : { "content-type": "application/json; charset=utf-8" }),
    ...headers,
    "content-length": Buffer.byteLength(text),
    ...(isLast ? { connection: "close" } : {}),
  });
  response.end(text);
}
