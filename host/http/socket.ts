/** A server on a Unix socket: file permissions say who may connect, so it is never on a network. */
import { chmod, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { socketPath } from "../folder/socket-path.ts";

export interface ListeningSocket {
  /** Stops listening, ends open requests, removes the socket. */
  close(): Promise<void>;
}

/**
 * @param socket where to listen; in a private folder (0700) that the caller has locked, so that a socket found
 *   there is a dead one
 */
export async function listenOnSocket(server: Server, socket: string): Promise<ListeningSocket> {
  await rm(socket, { force: true });
  const short = socketPath(socket);
  try {
    await new Promise<void>((resolve, reject) => {
      // Afterwards it is a connection that could not be accepted: whoever it is comes again.
      server.on("error", reject).listen(short.path, resolve);
    });
  } catch (error) {
    short.release();
    throw error;
  }
  await chmod(socket, 0o600);
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      short.release();
    },
  };
}
