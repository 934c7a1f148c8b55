/**
 * Servers of the workload API, one for each caller: what somebody may ask for is decided by where they connect, before
 * the first byte is read.
 */
import type { Server } from "node:http";
import { createHttpServer, type HttpOptions } from "../http/server.ts";
import { listenOnSocket, type ListeningSocket } from "../http/socket.ts";
import type { Log } from "../log.ts";
import type { WorkloadBackend } from "./backend.ts";
import type { Caller } from "./caller.ts";
import { refusal, WORKLOAD_BODY_BYTES_MAX, workloadRoutes } from "./routes.ts";

/** Of one module; more than its SDK opens. */
const CONNECTIONS_MAX = 16;
/** A connection on which nothing happens. */
const IDLE_TIMEOUT_MS = 10_000;

export interface ServedBy {
  readonly backend: WorkloadBackend;
  readonly log: Log;
}

/** On a socket that only the gateway's user can open, and whom that lets in. */
export async function serveModule(
  socket: string,
  caller: Caller,
  served: ServedBy,
): Promise<ListeningSocket> {
  const closing = new AbortController();
  const server = createModuleServer(caller, served, closing.signal);
  const listening = await listenOnSocket(server, socket);
  return {
    async close() {
      closing.abort();
      await listening.close();
    },
  };
}

export function createModuleServer(
  caller: Caller,
  { backend, log }: ServedBy,
  closing: AbortSignal,
  admit?: HttpOptions["admit"],
): Server {
  const server = createHttpServer({
    ...(admit && { admit }),
    routes: workloadRoutes(backend, caller),
    bodyBytesMax: WORKLOAD_BODY_BYTES_MAX,
    refuse: refusal,
    log,
    closing,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.timeout = IDLE_TIMEOUT_MS;
  return server;
}
