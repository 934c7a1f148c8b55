/** `sandpiper module-identity env`: what a process needs to come as a module, without a key. */
import type { ModuleEnvironment } from "../../host/index.ts";
import type { Command } from "../command.ts";
import { onlyPositional } from "../develop/arguments.ts";
import { oneOf } from "./arguments.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { shellQuote } from "./mosquitto.ts";

const FORMATS = ["shell", "docker"] as const;
/** Where a container finds the folder of its socket. */
const MOUNT_POINT = "/run/sandpiper";

export const moduleIdentityEnvCommand: Command = {
  name: "module-identity env",
  group: "operate",
  summary:
    "print the environment in which a process is that module: for a shell, or as a file for docker run",
  usage: "sandpiper module-identity env <module> [--format shell|docker] [--dir <folder>] [--json]",
  example: "sandpiper module-identity env reader",
  options: {
    ...DIR_OPTION,
    format: {
      type: "string",
      description: "shell (the default): lines to source; docker: a file for --env-file",
    },
  },
  async run({ values, positionals, env, json, out, err }) {
    const moduleId = onlyPositional(positionals, "<module>", this.usage);
    const format = oneOf(values, "format", FORMATS) ?? "shell";
    const environment = await (await gatewayClient(values, env)).environment(moduleId);
    if (json) out(JSON.stringify(environment));
    else if (format === "docker") {
      out(forDocker(environment));
      err(`hint: docker run --env-file <this> ${mountOf(environment)} ...`);
    } else {
      out(forShell(environment));
      const { socketFault } = environment;
      if (socketFault !== null) err(`warning: SDKs do not find the socket: ${socketFault}`);
    }
    return 0;
  },
};

const forShell = ({ variables }: ModuleEnvironment): string =>
  Object.entries(variables)
    .map(([name, value]) => `export ${name}=${shellQuote(value)}`)
    .join("\n");

/** What stands behind the equals sign is taken as it is. */
const forDocker = ({ variables, socketName }: ModuleEnvironment): string =>
  Object.entries({ ...variables, IOTEDGE_WORKLOADURI: `unix://${MOUNT_POINT}/${socketName}` })
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");

const mountOf = ({ socketFolder }: ModuleEnvironment): string =>
  `--volume ${shellQuote(`${socketFolder}:${MOUNT_POINT}:ro`)}`;
