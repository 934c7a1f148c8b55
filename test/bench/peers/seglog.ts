/**
 * The physical limit: a C program that writes each group of messages with one durable write to a preallocated file,
 * and then acknowledges and delivers it. As durable as the gateway, and nothing else: nobody is authenticated, nothing
 * is routed, there is no module, and nothing would be read back.
 */
import { join } from "node:path";
import { compiled } from "../compile.ts";
import type { Peer } from "../peer.ts";
import { nextJson, startServer } from "../server-process.ts";

export const seglog: Peer = {
  name: "seglog",
  unavailable: null,

  async start(folder, env) {
    const server = await startServer(compiled("seglog"), [join(folder, "segment.log")], env);
    const port = (await nextJson(server)) as number;
    return { target: { port, pid: server.pid }, stop: () => server.stop() };
  },
};
