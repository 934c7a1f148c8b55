/**
 * The web listener, plain or over TLS: WebSockets that carry MQTT or AMQP, and a few HTTP requests. Nothing a peer
 * does before, during or after the handshake ends it: such things are reported through `onError`. The WebSocket
 * package is loaded with the first listener, so a gateway without one does not carry it.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { WebSocketServer } from "ws";
import {
  begin,
  CONNECTIONS_MAX_DEFAULT,
  makePlainServer,
  makeTlsServer,
  overLimit,
  upgradeFault,
  type Listener,
  type ListenOptions,
} from "../mqtt/listener.ts";
import { Sweep } from "../mqtt/sweep.ts";
import {
  CHUNKS_MAX,
  CLOSE_TIMEOUT_MS,
  FRAGMENTS_MAX,
  HEADER_BYTES_MAX,
  HEADER_FIELDS_MAX,
  MESSAGE_BYTES_MAX,
  PONGS_MAX,
  REQUESTS_PER_CONNECTION_MAX,
  WEB_LIMITS,
  type WebLimits,
} from "./limits.ts";
import { answering, type WebRoute } from "./router.ts";
import { shownCertificateOf, type ShownCertificate } from "../identity/shown-certificate.ts";
import { WebSocketStream } from "./stream.ts";
import { decideUpgrade, type HeadName } from "./upgrade.ts";

export interface WebPeer {
  readonly remoteAddress: string;
  readonly isSecure: boolean;
  /** What TLS has shown; not verified yet. */
  readonly certificate: ShownCertificate | null;
}

/** Makes a connection of a stream, and a member of the sweep, at once. */
export type ServeStream = (stream: Duplex, peer: WebPeer, sweep: Sweep) => void;

export interface WebListenOptions extends Omit<ListenOptions<never, never>, "handler" | "limits"> {
  readonly heads: Readonly<Record<HeadName, ServeStream>>;
  readonly routes?: readonly WebRoute[];
  readonly limits?: Partial<WebLimits>;
}

/** @throws {ListenError} */
export async function listenWeb(options: WebListenOptions): Promise<Listener> {
  const { connectionsMax = CONNECTIONS_MAX_DEFAULT, sweep = new Sweep(), routes = [], heads } = options;
  const report = (error: Error) => options.onError?.(error);
  const limits = { ...WEB_LIMITS, ...options.limits };
  const handshakes = await loadHandshakes();
  const answer = answering(routes, report);
  const settings = httpSettings(limits);
  const made =
    options.protocol === "https"
      ? makeTlsServer(options, connectionsMax, report, (tls) =>
          createHttpsServer({ ...settings, ...tls }, answer),
        )
      : makePlainServer(options, createHttpServer(settings, answer));
  const http = made.server as HttpServer;
  http.maxConnections = connectionsMax;
  http.maxHeadersCount = HEADER_FIELDS_MAX;
  http.maxRequestsPerSocket = REQUESTS_PER_CONNECTION_MAX;
  let isClosing = false;
  http.on("upgrade", (request, socket, head) => {
    const verdict = decideUpgrade(request.url ?? "", request.headers);
    if (!verdict.ok) {
      report(upgradeFault(options, request.socket.remoteAddress, verdict.why));
      return refuse(socket, verdict.status, verdict.why);
    }
    if (isClosing || sweep.size >= connectionsMax) {
      if (!isClosing) report(overLimit(options, connectionsMax));
      return refuse(socket, 503, "too many connections");
    }
    handshakes[verdict.head].handleUpgrade(request, socket, head, (ws) => {
      heads[verdict.head](new WebSocketStream(ws), peerOf(request), sweep);
    });
  });
  return begin(made, options, {
    sweep,
    report,
    stopAccepting() {
      isClosing = true;
      http.close();
      http.closeAllConnections();
    },
  });
}

const httpSettings = (limits: WebLimits) => ({
  noDelay: true,
  maxHeaderSize: HEADER_BYTES_MAX,
  headersTimeout: limits.headerTimeoutMs,
  requestTimeout: limits.requestTimeoutMs,
  keepAliveTimeout: limits.keepAliveTimeoutMs,
  connectionsCheckingInterval: limits.checkEveryMs,
});

/** Options that the package's types do not know yet. */
const UNTYPED = { maxPendingAutoPongs: PONGS_MAX, closeTimeout: CLOSE_TIMEOUT_MS };

/** One for each head: they differ in how large a message may be. */
async function loadHandshakes(): Promise<Readonly<Record<HeadName, WebSocketServer>>> {
  const ws = await import("ws");
  const make = (head: HeadName): WebSocketServer =>
    new ws.WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTES_MAX[head],
      maxFragments: FRAGMENTS_MAX,
      maxBufferedChunks: CHUNKS_MAX,
      ...UNTYPED,
      handleProtocols: (_offered, { url = "", headers }) => {
        const verdict = decideUpgrade(url, headers);
        return verdict.ok && verdict.protocol;
      },
    });
  return { mqtt: make("mqtt"), amqp: make("amqp") };
}

function peerOf({ socket }: IncomingMessage): WebPeer {
  return {
    remoteAddress: socket.remoteAddress ?? "",
    isSecure: socket instanceof TLSSocket,
    certificate: shownCertificateOf(socket),
  };
}

const STATUS_TEXTS = { 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable" } as const;

/** What is left of a request that will not be answered by Node. */
function refuse(socket: Duplex, status: keyof typeof STATUS_TEXTS, why: string): void {
  const body = JSON.stringify({ Message: why });
  socket.on("error", () => undefined); // a reset is one way to go
  socket.once("finish", () => (socket as Socket).destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_TEXTS[status]}\r\nConnection: close\r\n` +
      `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}
