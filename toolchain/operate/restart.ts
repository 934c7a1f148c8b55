/** `sandpiper restart`: starts a module anew, its count of restarts with it. */
import { onlyPositional } from "../develop/arguments.ts";
import type { Command } from "../command.ts";
import { DIR_OPTION, gatewayAt } from "./gateway-dir.ts";

export const restartCommand: Command = {
  name: "restart",
  group: "operate",
  summary: "start a module anew, also one that was given up",
  usage: "sandpiper restart <module> [--dir <folder>]",
  example: "sandpiper restart threshold-filter",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    const module = onlyPositional(positionals, "<module>", this.usage);
    const { createManagementClient } = await import("../../host/index.ts");
    await createManagementClient(gatewayAt(values, env)).restartModule(module);
    out(json ? JSON.stringify({ restarting: module }) : `restarting ${module}`);
    return 0;
  },
};
