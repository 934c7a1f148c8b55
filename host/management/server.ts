/**
 * The management API: HTTP on a Unix socket that only the gateway's owner can open. File permissions are its
 * authentication, so it never listens on a network. It is up before the hub is, and stays up when the hub
 * fails: a gateway in trouble must be able to say so.
 *
 * What there is to ask: operations.ts. Every field of a request is decoded, every body is bounded, every answer that
 * is not a success is `{ "error": { code, message, hint?, details } }`.
 */
import { createHttpServer } from "../http/server.ts";
import { listenOnSocket } from "../http/socket.ts";
import type { Log } from "../log.ts";
import type { ManagementBackend } from "./backend.ts";
import { OPERATIONS } from "./operations.ts";
import { refusal } from "./refusal.ts";

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
  const { socket, bodyBytesMax, log } = options;
  const closing = new AbortController();
  const routes = OPERATIONS.map((operation) => operation.route(backend));
  const server = createHttpServer({
    routes,
    bodyBytesMax,
    bodyHint: "management.bodyBytesMax in gateway.json says how large a request may be",
    refuse: refusal,
    log,
    closing: closing.signal,
  });
  const listening = await listenOnSocket(server, socket);
  return {
    async close() {
      closing.abort();
      await listening.close();
    },
  };
}
