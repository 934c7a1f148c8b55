/**
 * The workload API over TCP, on the loopback alone. Nothing in an SDK's request says who asks: the kernel does. Who is
 * not let in is closed before the first byte is read.
 */
import type { IncomingMessage, Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { checkHost } from "../http/loopback.ts";
import { sparsely } from "../http/sparse-log.ts";
import { WorkloadError } from "./errors.ts";
import { userAtPeer } from "./peer-user.ts";
import { createModuleServer, type ServedBy } from "./server.ts";

const LOOPBACK = "127.0.0.1";
/** Of all users together, those who are not let in included. */
const CONNECTIONS_MAX = 64;

export interface LoopbackSettings {
  readonly port: number;
  /** By module, the user that its process runs as. */
  readonly users: Readonly<Record<string, number>>;
}

export interface LoopbackListener {
  readonly port: number;
  close(): Promise<void>;
}

/** For the users that are named, and nobody else. @throws {WorkloadError} SP_WORKLOAD_PORT */
export async function serveLoopback(
  { port, users }: LoopbackSettings,
  served: ServedBy,
): Promise<LoopbackListener> {
  const closing = new AbortController();
  const servers = serversByUser(users, served, closing.signal);
  const note = sparsely<number | null>((closed, uid) =>
    served.log.warn(
      { uid, closed },
      "workload API: closed a connection of a user who is not in workload.http.users",
    ),
  );
  const sockets = new Set<Socket>();
  const tcp = createTcpServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {}); // a peer that goes away while it is looked for
    void admit(socket, servers, note);
  });
  tcp.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    // Afterwards it is a connection that could not be accepted: whoever it is comes again.
    tcp.on("error", (cause) => reject(cannotListen(port, cause))).listen(port, LOOPBACK, resolve);
  });
  return {
    port: (tcp.address() as AddressInfo).port,
    async close() {
      closing.abort();
      const closed = new Promise((resolve) => tcp.close(resolve));
      for (const socket of sockets) socket.destroy();
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
      // A page in that user's browser may have its own name lead here (DNS rebinding).
      const admit = async ({ headers }: IncomingMessage): Promise<void> => checkHost(headers.host ?? "");
      return [uid, createModuleServer(caller, served, closing, admit)];
    }),
  );
}

/** Never rejects. */
async function admit(
  socket: Socket,
  servers: ReadonlyMap<number, Server>,
  note: (uid: number | null) => void,
): Promise<void> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || localAddress === undefined) return void socket.destroy();
  const connection = {
    peerAddress: remoteAddress,
    peerPort: remotePort!,
    ownAddress: localAddress,
    ownPort: localPort!,
  };
  const uid = await userAtPeer(connection).catch(() => null);
  if (socket.destroyed) return;
  const server = uid === null ? undefined : servers.get(uid);
  if (server === undefined) {
    note(uid);
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
