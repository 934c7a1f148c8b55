/** `sandpiper init`: makes a gateway folder. */
import { resolve } from "node:path";
import type { Command } from "../command.ts";
import { noPositionals } from "./arguments.ts";
import { DIR_OPTION, gatewayDir } from "./gateway-dir.ts";

export const initCommand: Command = {
  name: "init",
  group: "operate",
  summary: "make a gateway: its folder, configuration and certificates",
  usage:
    "sandpiper init [--dir <folder>] [--id <gateway id>] [--hostname <name>] [--storage-folder <folder>]",
  example: "sandpiper init --id site-7 --hostname site-7.example.net",
  options: {
    ...DIR_OPTION,
    id: { type: "string", description: "device id of the gateway (the host name's first label)" },
    hostname: { type: "string", description: "name or address by which devices reach it (this machine's)" },
    "storage-folder": { type: "string", description: "where the store is to lie (in the gateway's folder)" },
  },
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const { initGateway, readGatewayConfig } = await import("../../host/index.ts");
    const { id, hostname, "storage-folder": storageFolder } = values;
    const paths = await initGateway(gatewayDir(values, env), {
      ...(typeof id === "string" ? { gatewayId: id } : {}),
      ...(typeof hostname === "string" ? { hostname } : {}),
      ...(typeof storageFolder === "string" ? { storageFolder: resolve(storageFolder) } : {}),
    });
    const config = await readGatewayConfig(paths.config);
    if (json) {
      out(JSON.stringify({ dir: paths.dir, gatewayId: config.gatewayId, hostname: config.hostname }));
      return 0;
    }
    out(`gateway "${config.gatewayId}" made in ${paths.dir}`);
    for (const { protocol, host, port } of config.listeners)
      out(`  will listen on ${protocol}://${host}:${port}`);
    out(`  devices trust it by ${paths.tls}/trust-bundle.pem`);
    out("next: sandpiper trust add <key.pub>, to say whose modules may run here; then: sandpiper run");
    return 0;
  },
};
