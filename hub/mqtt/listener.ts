/**
 * Accepts connections, plain or over TLS, up to a number. Nothing a peer does before or during the
 * handshake, and no failing `accept`, ends the listener: such things are reported through `onError`.
 */
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { SandpiperError } from "../../abi/index.ts";
import { MqttConnection } from "./connection.ts";
import type { MqttHandler } from "./handler.ts";
import { MQTT_LIMITS, type MqttLimits } from "./limits.ts";
import { Sweep } from "./sweep.ts";

export const CONNECTIONS_MAX_DEFAULT = 16_384;
/** Connections the kernel may hold for us while a whole site reconnects. */
const ACCEPT_BACKLOG = 1_024;
const TLS_HANDSHAKE_TIMEOUT_MS = 20_000;

export interface ListenOptions<Session, Plan> {
  readonly protocol: "mqtt" | "mqtts" | "amqp" | "amqps";
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** When the port is busy, try this many of the following ones. */
  readonly portsToTry?: number;
  /** PEM; required for `mqtts` and `amqps`. */
  readonly tls?: { readonly key: string; readonly cert: string };
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
  /** Stops accepting, closes every connection (`shutdown`), resolves when all are gone. */
  close(): Promise<void>;
}

/** `code`: SP_LISTEN_PORT_BUSY, SP_LISTEN_ADDRESS, SP_LISTEN_TLS, and SP_LISTEN_CONNECTIONS to `onError`. */
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
  const { server, rawSockets } =
    options.protocol === "mqtts" || options.protocol === "amqps"
      ? makeTlsServer(options, connectionsMax, accept, report)
      : { server: createServer({ pauseOnConnect: true, noDelay: true }, accept), rawSockets: [] };
  const port = await bind(server, options);
  server.on("error", report);
  sweep.start();
  return {
    port,
    get connections() {
      return sweep.size;
    },
    async close() {
      isClosing = true;
      server.close();
      sweep.closeAll("shutdown");
      await sweep.emptied();
      for (const socket of rawSockets) socket.destroy();
      sweep.stop();
    },
  };
}

type Endpoint = Pick<ListenOptions<never, never>, "protocol" | "host" | "port" | "portsToTry" | "tls">;

function makeTlsServer(
  options: Endpoint,
  connectionsMax: number,
  accept: (socket: Socket) => void,
  report: (error: Error) => void,
): { server: Server; rawSockets: Iterable<Socket> } {
  if (options.tls === undefined) throw tlsFault(options, "no key and certificate");
  // Under every TLS connection, from before its handshake to its end.
  const rawSockets = new Set<Socket>();
  let server;
  try {
    const { key, cert } = options.tls;
    const handshake = { handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS, minVersion: "TLSv1.2" } as const;
    server = createTlsServer({ key, cert, noDelay: true, ...handshake }, accept);
  } catch (error) {
    throw tlsFault(options, "key and certificate cannot be used", error);
  }
  // Handshakes count as well: they cost more than connections do.
  server.maxConnections = connectionsMax;
  server.on("drop", () => report(overLimit(options, connectionsMax)));
  server.on("tlsClientError", report);
  server.on("connection", (socket: Socket) => {
    rawSockets.add(socket);
    socket.once("close", () => rawSockets.delete(socket));
  });
  return { server, rawSockets };
}

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

const overLimit = ({ protocol, host, port }: Endpoint, connectionsMax: number) =>
  new ListenError("SP_LISTEN_CONNECTIONS", `${protocol} listener: more than ${connectionsMax} connections`, {
    details: { protocol, host, port, connectionsMax },
  });
