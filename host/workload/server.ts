/**
 * Servers of the workload API, one for each caller: what somebody may ask for is decided by where they connect, and
 * by who they are, before the first byte is read.
 */
import type { Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { createHttpServer } from "../http/server.ts";
import { listenOnSocket, type ListeningSocket } from "../http/socket.ts";
import type { Log } from "../log.ts";
import { WorkloadError } from "./errors.ts";
import type { WorkloadBackend } from "./backend.ts";
import type { Caller } from "./caller.ts";
import { userAtPeer } from "./peer-user.ts";
import { refusal, WORKLOAD_BODY_BYTES_MAX, workloadRoutes } from "./routes.ts";

/** Of one module; more than its SDK opens. */
const CONNECTIONS_MAX = 16;
/** Over the loopback, of all users together, those who have none here included. */
const LOOPBACK_CONNECTIONS_MAX = 64;
/** A connection on which nothing happens. */
const IDLE_TIMEOUT_MS = 10_000;
const LOOPBACK = "127.0.0.1";

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

function createModuleServer(caller: Caller, { backend, log }: ServedBy, closing: AbortSignal): Server {
  const server = createHttpServer({
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

export interface LoopbackSettings {
  readonly port: number;
  /** By module, the user that its process runs as. */
  readonly users: Readonly<Record<string, number>>;
}

export interface LoopbackListener {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Over TCP, where nothing in the SDK's request says who asks: the kernel does. A connection of any user but those of
 * `users` is closed before it is read. @throws {WorkloadError} SP_WORKLOAD_PORT
 */
export async function serveLoopback(
  { port, users }: LoopbackSettings,
  served: ServedBy,
): Promise<LoopbackListener> {
  const closing = new AbortController();
  const servers = serversByUser(users, served, closing.signal);
  const admitted = new Set<Socket>();
  const tcp = createTcpServer({ pauseOnConnect: true }, (socket) => {
    admitted.add(socket);
    socket.once("close", () => admitted.delete(socket));
    socket.on("error", () => {}); // a peer that goes away while it is looked for
    void admit(socket, servers, served.log);
  });
  tcp.maxConnections = LOOPBACK_CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    tcp.once("error", (cause) => reject(cannotListen(port, cause))).listen(port, LOOPBACK, resolve);
  });
  return {
    port: (tcp.address() as AddressInfo).port,
    async close() {
      closing.abort();
      const closed = new Promise((resolve) => tcp.close(resolve));
      for (const socket of admitted) socket.destroy();
      await closed;
    },
  };
}

/** Users of several modules speak for all of them. */
function serversByUser(
  users: LoopbackSettings["users"],
  served: ServedBy,
  closing: AbortSignal,
): ReadonlyMap<number, Server> {
  const modulesOf = (uid: number) => Object.keys(users).filter((moduleId) => users[moduleId] === uid);
  return new Map(
    [...new Set(Object.values(users))].map((uid) => {
      const caller = { modules: new Set(modulesOf(uid)), generationId: null };
      return [uid, createModuleServer(caller, served, closing)];
    }),
  );
}

/** Never rejects. */
async function admit(socket: Socket, servers: ReadonlyMap<number, Server>, log: Log): Promise<void> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || localAddress === undefined) return void socket.destroy();
  const connection = {
    peerAddress: remoteAddress,
    peerPort: remotePort!,
    ownAddress: localAddress,
    ownPort: localPort!,
  };
  const uid = await userAtPeer(connection).catch(() => null);
  const server = uid === null ? undefined : servers.get(uid);
  if (server === undefined) {
    log.warn({ uid }, "workload API: a connection of a user who is none of workload.http.users was closed");
    return void socket.destroy();
  }
  server.emit("connection", socket);
  socket.resume();
}

const cannotListen = (port: number, cause: NodeJS.ErrnoException): WorkloadError =>
  new WorkloadError(
    "SP_WORKLOAD_PORT",
    `workload API: cannot listen on ${LOOPBACK}:${port}: ${cause.message}`,
    {
      hint: "workload.http.port in gateway.json names another; leave workload.http out to have sockets alone",
      details: { port },
      cause,
    },
  );
