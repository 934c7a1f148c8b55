/** `sandpiper restart`: starts a module anew, its count of restarts with it. */
import { onlyPositional } from "../develop/arguments.ts";
import type { Command } from "../command.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";

export const restartCommand: Command = {
  name: "restart",
  group: "operate",
  summary: "start a module anew, also one that was given up",
  usage: "sandpiper restart <module> [--dir <folder>]",
  example: "sandpiper restart threshold-filter",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    const module = onlyPositional(positionals, "<module>", this.usage);
    await (await gatewayClient(values, env)).restartModule(module);
    out(json ? JSON.stringify({ restarting: module }) : `restarting ${module}`);
    return 0;
  },
};
