/**
 * What TLS servers of the hub have in common, whatever is spoken inside: oldest version, resumption, bounds on
 * handshakes in time and number, and a certificate that can be replaced while connections live.
 */
import type { Server, Socket } from "node:net";
import type { Server as TlsServer, TlsOptions } from "node:tls";

/** PEM. The key is a secret. */
export interface TlsPair {
  readonly key: string;
  readonly cert: string;
}

export interface HandshakeLimits {
  /** Under way at once. */
  readonly handshakesMax: number;
  /** One that has taken so long makes room for another when there are too many, ms. */
  readonly dawdleMs: number;
}

/** A handshake is half a millisecond of processor: a site that reconnects has fewer under way at once. */
export const HANDSHAKE_LIMITS: HandshakeLimits = { handshakesMax: 1_024, dawdleMs: 2_000 };

const HANDSHAKE_TIMEOUT_MS = 20_000;
/** How long a client may come back with its ticket, which saves both sides a signature. */
const SESSION_SECONDS = 3_600;

export const TLS_SETTINGS = {
  minVersion: "TLSv1.2",
  handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  sessionTimeout: SESSION_SECONDS,
} as const satisfies TlsOptions;

interface Handshake {
  /** Address and port of the peer: a TLS socket does not say which socket it came from. */
  readonly place: string;
  readonly socket: Socket;
  readonly sinceMs: number;
}

/** Who has to go when there are as many as may be: the oldest, if it dawdles, or else the one that came last. */
export function surplus(
  underWay: ReadonlyMap<unknown, Handshake>,
  newcomer: Handshake,
  { handshakesMax, dawdleMs }: HandshakeLimits,
): Handshake | null {
  if (underWay.size < handshakesMax) return null;
  const [oldest] = underWay.values();
  return oldest !== undefined && newcomer.sinceMs - oldest.sinceMs > dawdleMs ? oldest : newcomer;
}

const placeOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/**
 * Bounds the handshakes of a server, and returns the sockets under its TLS connections, each from before its
 * handshake to its end. `onSurplus` is told of each connection that had to go.
 */
export function boundHandshakes(
  server: TlsServer,
  onSurplus: () => void,
  limits: HandshakeLimits = HANDSHAKE_LIMITS,
): Iterable<Socket> {
  const rawSockets = new Set<Socket>();
  // Oldest first.
  const underWay = new Map<string, Handshake>();
  (server as Server).on("connection", (socket: Socket) => {
    const newcomer = { place: placeOf(socket), socket, sinceMs: performance.now() };
    const evicted = surplus(underWay, newcomer, limits);
    underWay.set(newcomer.place, newcomer);
    rawSockets.add(socket);
    socket.once("close", () => {
      rawSockets.delete(socket);
      if (underWay.get(newcomer.place) === newcomer) underWay.delete(newcomer.place);
    });
    if (evicted === null) return;
    underWay.delete(evicted.place);
    evicted.socket.destroy();
    onSurplus();
  });
  server.on("secureConnection", (socket) => underWay.delete(placeOf(socket)));
  return rawSockets;
}
