/** `sandpiper run`: the gateway itself, in the foreground, until it is told to stop. */
import type { GatewayStarted } from "../../host/index.ts";
import { noPositionals, oneOf } from "./arguments.ts";
import { packageVersion } from "../package-root.ts";
import type { Command } from "../command.ts";
import { DIR_OPTION, gatewayDir } from "./gateway-dir.ts";
import { untilStopped } from "./stop-signal.ts";

export const runCommand: Command = {
  name: "run",
  group: "operate",
  summary: "run the gateway in the foreground; Ctrl-C drains and stops it",
  usage: "sandpiper run [--dir <folder>] [--log-level debug|info|warn|error]",
  example: "sandpiper run --dir /var/lib/sandpiper",
  options: {
    ...DIR_OPTION,
    "log-level": { type: "string", description: "debug, info (default), warn or error" },
  },
  async run({ values, positionals, env, json, out, err }) {
    noPositionals(positionals, this.usage);
    const { createGateway, createLineLog, LOG_LEVELS } = await import("../../host/index.ts");
    const level = oneOf(values, "log-level", LOG_LEVELS) ?? "info";
    const log = createLineLog(err, { level, clock: Date.now });
    const gateway = createGateway({ dir: gatewayDir(values, env), log, version: packageVersion() });
    return untilStopped({
      start: async () => {
        const started = await gateway.start();
        out(json ? JSON.stringify({ ready: true, ...started }) : readyLine(started));
      },
      stop: async () => {
        await gateway.stop();
        log.info({}, "stopped");
      },
      onLate: () => log.error({}, "did not stop in time and is ended; what was acknowledged is on disk"),
      onStopping: () => log.info({}, "stopping: modules finish what they have; again to end at once"),
    });
  },
};

function readyLine({ gatewayId, listeners, recovered }: GatewayStarted): string {
  const places = listeners.map(({ protocol, host, port }) => `${protocol}://${host}:${port}`);
  const waiting = recovered > 0 ? `, ${recovered} messages waiting` : "";
  return `ready: gateway "${gatewayId}" on ${places.join(" and ")}${waiting}`;
}
