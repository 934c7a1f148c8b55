/**
 * The management API: HTTP on a Unix socket that only the gateway's owner can open, and, where gateway.json says so, on
 * a port of the loopback for whoever shows the token. It is up before the hub is, and stays up when the hub fails: a
 * gateway in trouble must be able to say so.
 *
 * What there is to ask: operations.ts. Every field of a request is decoded, every body is bounded, every answer that
 * is not a success is `{ "error": { code, message, hint?, details } }`.
 */
import { createTokenGate, listenOnLoopback } from "../http/loopback.ts";
import { createHttpServer } from "../http/server.ts";
import { listenOnSocket } from "../http/socket.ts";
import type { Log } from "../log.ts";
import type { ManagementBackend } from "./backend.ts";
import { OPERATIONS } from "./operations.ts";
import { refusal } from "./refusal.ts";

export interface ManagementServer {
  /** Of the port; `null` without one. */
  readonly url: string | null;
  /** Stops listening, ends open requests, removes the socket. */
  close(): Promise<void>;
}

export interface ManagementOptions {
  /**
   * Where to listen; in a private folder (0700) that the caller has locked, so that a socket found there is a dead
   * one.
   */
  readonly socket: string;
  readonly bodyBytesMax: number;
  readonly log: Log;
  /** `address`: as in gateway.json. Absent = the socket alone. */
  readonly port?: { readonly address: string; readonly token: string; readonly refusalDelayMs?: number };
}

export async function startManagementServer(
  backend: ManagementBackend,
  { socket, bodyBytesMax, log, port }: ManagementOptions,
): Promise<ManagementServer> {
  const closing = new AbortController();
  const options = {
    routes: OPERATIONS.map((operation) => operation.route(backend)),
    bodyBytesMax,
    bodyHint: "management.bodyBytesMax in gateway.json says how large a request may be",
    refuse: refusal,
    log,
    closing: closing.signal,
  };
  const ends = [await listenOnSocket(createHttpServer(options), socket)];
  const close = async (): Promise<void> => {
    closing.abort();
    await Promise.all(ends.map((end) => end.close()));
  };
  if (port === undefined) return { url: null, close };
  const gate = createTokenGate({
    token: port.token,
    log,
    ...(port.refusalDelayMs === undefined ? {} : { delayMs: port.refusalDelayMs }),
  });
  try {
    const server = createHttpServer({ ...options, admit: (request) => gate.admit(request) });
    const listening = await listenOnLoopback(server, port.address);
    ends.push(listening);
    return { url: listening.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}
