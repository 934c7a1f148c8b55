/**
 * Accepts connections, plain or over TLS, up to a number. Nothing a peer does before or during the
 * handshake, and no failing `accept`, ends the listener: such things are reported through `onError`.
 */
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer, type TlsOptions } from "node:tls";
import { SandpiperError } from "../../abi/index.ts";
import type { ListenerTls } from "../face.ts";
import { clientCertificates } from "../identity/shown-certificate.ts";
import { MqttConnection } from "./connection.ts";
import type { MqttHandler } from "./handler.ts";
import { MQTT_LIMITS, type MqttLimits } from "./limits.ts";
import { Sweep } from "./sweep.ts";
import { boundHandshakes, TLS_SETTINGS, type TlsPair } from "./tls-server.ts";

export const CONNECTIONS_MAX_DEFAULT = 16_384;
/** Connections the kernel may hold for us while a whole site reconnects. */
const ACCEPT_BACKLOG = 1_024;

export interface ListenOptions<Session, Plan> {
  readonly protocol: "mqtt" | "mqtts" | "amqp" | "amqps" | "http" | "https";
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** When the port is busy, try this many of the following ones. */
  readonly portsToTry?: number;
  /** Required for `mqtts`, `amqps` and `https`. */
  readonly tls?: ListenerTls;
  /** Further connections are closed as they come. */
  readonly connectionsMax?: number;
  readonly handler: MqttHandler<Session, Plan>;
  readonly limits?: Partial<MqttLimits>;
  /** Failed accepts and TLS handshakes, connections over the limit: to be counted, perhaps logged. */
  readonly onError?: (error: Error) => void;
  /** The listener's own; given by tests that advance it by hand. */
  readonly sweep?: Sweep;
}

export interface Listener {
  readonly port: number;
  /** Live connections; a TLS handshake under way is not one yet. */
  readonly connections: number;
  /**
   * Shows another certificate from now on; connections that are there stay. Tickets of earlier sessions are no
   * longer good, so each client sees it once. @throws {ListenError} SP_LISTEN_TLS; the old one stays
   */
  setCertificate(tls: TlsPair): void;
  /** Stops accepting, closes every connection (`shutdown`), resolves when all are gone. */
  close(): Promise<void>;
}

/**
 * `code`: SP_LISTEN_PORT_BUSY, SP_LISTEN_ADDRESS, SP_LISTEN_TLS; to `onError` SP_LISTEN_CONNECTIONS,
 * SP_LISTEN_HANDSHAKES, SP_LISTEN_HANDSHAKE, SP_LISTEN_UPGRADE.
 */
export class ListenError extends SandpiperError {}

/** @throws {ListenError} */
export function listen<Session, Plan>(options: ListenOptions<Session, Plan>): Promise<Listener> {
  const limits = { ...MQTT_LIMITS, ...options.limits };
  return listenFor(options, (socket, sweep) => new MqttConnection(socket, options.handler, sweep, limits));
}

/** Whatever the protocol is: `connect` makes a connection of an accepted socket, and a member of the sweep. */
export async function listenFor(
  options: Omit<ListenOptions<never, never>, "handler" | "limits">,
  connect: (socket: Socket, sweep: Sweep) => void,
): Promise<Listener> {
  const { connectionsMax = CONNECTIONS_MAX_DEFAULT, sweep = new Sweep() } = options;
  const report = (error: Error) => options.onError?.(error);
  let isClosing = false;
  const accept = (socket: Socket) => {
    if (!isClosing && sweep.size < connectionsMax) {
      connect(socket, sweep);
      return;
    }
    socket.destroy();
    if (!isClosing) report(overLimit(options, connectionsMax));
  };
  const made =
    options.protocol === "mqtts" || options.protocol === "amqps"
      ? makeTlsServer(options, connectionsMax, report, (tls) =>
          createTlsServer({ ...tls, noDelay: true }, accept),
        )
      : makePlainServer(options, createServer({ pauseOnConnect: true, noDelay: true }, accept));
  return begin(made, options, {
    sweep,
    report,
    stopAccepting() {
      isClosing = true;
      made.server.close();
    },
  });
}

/** Listens with a server from now on. @throws {ListenError} */
export async function begin(
  { server, rawSockets, setCertificate }: Made,
  endpoint: Endpoint,
  { sweep, report, stopAccepting }: BeginOptions,
): Promise<Listener> {
  const port = await bind(server, endpoint);
  server.on("error", report);
  sweep.start();
  return {
    port,
    get connections() {
      return sweep.size;
    },
    setCertificate,
    async close() {
      stopAccepting();
      sweep.closeAll("shutdown");
      await sweep.emptied();
      for (const socket of rawSockets) socket.destroy();
      sweep.stop();
    },
  };
}

interface BeginOptions {
  /** Of all connections. */
  readonly sweep: Sweep;
  readonly report: (error: Error) => void;
  readonly stopAccepting: () => void;
}

export type Endpoint = Pick<ListenOptions<never, never>, "protocol" | "host" | "port" | "portsToTry" | "tls">;

export interface Made {
  readonly server: Server;
  /** Under every TLS connection, from before its handshake to its end. */
  readonly rawSockets: Iterable<Socket>;
  readonly setCertificate: (tls: TlsPair) => void;
}

export const makePlainServer = (options: Endpoint, server: Server): Made => ({
  server,
  rawSockets: [],
  setCertificate() {
    throw tlsFault(options, "shows no certificate");
  },
});

/** @throws {ListenError} SP_LISTEN_TLS */
export function makeTlsServer(
  options: Endpoint,
  connectionsMax: number,
  report: (error: Error) => void,
  make: (settings: typeof TLS_SETTINGS & TlsOptions & TlsPair) => TlsServer,
): Made {
  const { tls } = options;
  if (tls === undefined) throw tlsFault(options, "no key and certificate");
  const withPair = <T>(use: () => T): T => {
    try {
      return use();
    } catch (error) {
      throw tlsFault(options, "key and certificate cannot be used", error);
    }
  };
  const settings = { ...TLS_SETTINGS, ...clientCertificates(tls) };
  const server = withPair(() => make({ ...settings, key: tls.key, cert: tls.cert }));
  // Handshakes count as well: they cost more than connections do.
  server.maxConnections = connectionsMax;
  server.on("drop", () => report(overLimit(options, connectionsMax)));
  server.on("tlsClientError", (error, { remoteAddress }) =>
    report(handshakeFault(options, remoteAddress, error)),
  );
  const rawSockets = boundHandshakes(server, () => report(overHandshakes(options)));
  const setCertificate = ({ key, cert }: TlsPair) =>
    withPair(() => server.setSecureContext({ ...settings, key, cert }));
  return { server, rawSockets, setCertificate };
}

/** @throws {ListenError} */
async function bind(server: Server, options: Endpoint): Promise<number> {
  const { host, port, portsToTry = 0 } = options;
  for (let step = 0; ; step++) {
    const fault = await tryBind(server, host, port + step);
    if (fault === null) return (server.address() as AddressInfo).port;
    const isBusy = fault.code === "EADDRINUSE";
    if (!isBusy || port === 0 || step >= portsToTry || port + step >= 65_535) {
      throw bindFault(options, step, fault);
    }
  }
}

function tryBind(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const settle = (fault: NodeJS.ErrnoException | null) => {
      server.off("error", settle);
      server.off("listening", onListening);
      resolve(fault);
    };
    const onListening = () => settle(null);
    server.on("error", settle);
    server.on("listening", onListening);
    try {
      server.listen({ host, port, backlog: ACCEPT_BACKLOG });
    } catch (error) {
      settle(error as NodeJS.ErrnoException); // a port that is no port
    }
  });
}

function bindFault({ protocol, host, port }: Endpoint, stepped: number, cause: NodeJS.ErrnoException) {
  const details = { protocol, host, port, errno: cause.code };
  if (cause.code === "EADDRINUSE") {
    const range = stepped === 0 ? `port ${port}` : `each port from ${port} to ${port + stepped}`;
    return new ListenError("SP_LISTEN_PORT_BUSY", `${protocol} listener: ${range} on "${host}" is in use`, {
      hint: "stop the other program, or give the listener another port",
      details,
      cause,
    });
  }
  return new ListenError(
    "SP_LISTEN_ADDRESS",
    `${protocol} listener: cannot listen on "${host}" port ${port}: ${cause.code}`,
    { hint: LISTEN_HINTS.get(cause.code ?? "") ?? "check the listener's host and port", details, cause },
  );
}

const LISTEN_HINTS = new Map([
  ["EACCES", "ports below 1024 need CAP_NET_BIND_SERVICE; or choose a higher one"],
  ["EADDRNOTAVAIL", "the host must be an address of this machine; 0.0.0.0 means all of them"],
  ["ENOTFOUND", "the host name does not resolve; give an address"],
]);

const tlsFault = ({ protocol, host, port }: Endpoint, why: string, cause?: unknown) =>
  new ListenError("SP_LISTEN_TLS", `${protocol} listener: ${why}`, {
    hint: "give a private key and the certificate chain that belongs to it, both PEM",
    details: { protocol, host, port },
    cause,
  });

export const overLimit = ({ protocol, host, port }: Endpoint, connectionsMax: number) =>
  new ListenError("SP_LISTEN_CONNECTIONS", `${protocol} listener: more than ${connectionsMax} connections`, {
    details: { protocol, host, port, connectionsMax },
  });

/**
 * OpenSSL has the reason in words; the rest of its message is where in its source. Who hung up without one, as Node's
 * own client does when it distrusts a certificate, has no address any more.
 */
const handshakeFault = ({ protocol, host, port }: Endpoint, peer: string | undefined, cause: Error) => {
  const { code, reason = cause.message } = cause as { readonly code?: string; readonly reason?: string };
  const from = peer === undefined ? "" : ` with ${peer}`;
  const text = `${protocol} listener: TLS handshake${from} failed: ${code === "ECONNRESET" ? "the client hung up" : reason}`;
  return new ListenError("SP_LISTEN_HANDSHAKE", text, { details: { protocol, host, port }, cause });
};

export const upgradeFault = ({ protocol, host, port }: Endpoint, peer: string | undefined, why: string) =>
  new ListenError(
    "SP_LISTEN_UPGRADE",
    `${protocol} listener: WebSocket of ${peer ?? "somebody"} refused: ${why}`,
    { details: { protocol, host, port } },
  );

const overHandshakes = ({ protocol, host, port }: Endpoint) =>
  new ListenError("SP_LISTEN_HANDSHAKES", `${protocol} listener: too many TLS handshakes at once`, {
    details: { protocol, host, port },
  });
