/** `sandpiper compact`: the room of what was consumed goes back to the disk. */
import { noPositionals } from "./arguments.ts";
import type { Command } from "../command.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { formatAge, formatBytes } from "./table.ts";

export const compactCommand: Command = {
  name: "compact",
  group: "operate",
  summary: "give the disk back what the store does not need any more",
  usage: "sandpiper compact [--dir <folder>] [--json]",
  example: "sandpiper compact",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const compaction = await (await gatewayClient(values, env)).compact();
    const { beforeBytes, afterBytes, tookMs } = compaction;
    if (json) out(JSON.stringify(compaction));
    else out(`store ${formatBytes(beforeBytes)}, now ${formatBytes(afterBytes)}, in ${formatAge(tookMs)}`);
    return 0;
  },
};
