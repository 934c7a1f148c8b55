/**
 * Mosquitto with persistence on. It is the weaker promise of the two: it writes its store every half hour and
 * flushes nothing before PUBACK. No module; the publishers' messages go straight to the subscriber.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { Peer } from "../peer.ts";
import { freePort, portOpen, startServer } from "../server-process.ts";

/** Debian keeps daemons out of an ordinary user's PATH. */
const PATHS = ["mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
const AUTOSAVE_SECONDS = 1800;

const path = PATHS.find((candidate) => spawnSync(candidate, ["-h"]).error === undefined);

/** Such as "mosquitto version 2.0.11"; null when it is not installed. */
export const mosquittoVersion: string | null =
  path === undefined ? null : (spawnSync(path, ["-h"], { encoding: "utf8" }).stdout.split("\n")[0] ?? null);

const configuration = (port: number, folder: string): string => `
listener ${port} 127.0.0.1
allow_anonymous true
user ${userInfo().username}
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
log_type none
persistence true
persistence_location ${folder}/
autosave_interval ${AUTOSAVE_SECONDS}
`;

export const mosquitto: Peer = {
  name: "mosquitto",
  unavailable: path === undefined ? "mosquitto is not installed" : null,

  async start(folder, env) {
    const port = await freePort();
    const file = join(folder, "mosquitto.conf");
    writeFileSync(file, configuration(port, folder));
    const server = await startServer(path!, ["-c", file], env);
    await portOpen(port);
    return { target: { port, pid: server.pid }, stop: () => server.stop() };
  },
};
