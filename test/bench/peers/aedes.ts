/** Aedes in a process of its own, with a JavaScript function in it where the gateway has a module. */
import { join } from "node:path";
import { projectDir } from "../compile.ts";
import { writeClients } from "../credentials.ts";
import { DEVICES } from "../loads.ts";
import type { Peer } from "../peer.ts";
import { nextJson, startServer } from "../server-process.ts";

const script = join(projectDir, "dist", "test", "bench", "peers", "aedes-process.js");
const anonymous = { username: "", password: "" };

export const aedes: Peer = {
  name: "aedes",
  unavailable: null,

  async start(folder, env) {
    const devices = Array.from({ length: DEVICES }, (_, i) => ({
      ...anonymous,
      clientId: `dev${i}`,
      topic: `in/${i}`,
    }));
    const sink = { ...anonymous, clientId: "sink", topic: "out" };
    const server = await startServer(process.execPath, [script], env);
    const { port } = (await nextJson(server)) as { readonly port: number };
    const target = {
      port,
      pid: server.pid,
      publisherIdentities: writeClients(join(folder, "publishers"), devices),
      subscriberIdentities: writeClients(join(folder, "subscribers"), [sink]),
    };
    return { target, stop: () => server.stop() };
  },
};
