/** `sandpiper logs`: what a module wrote, and what happened to it. */
import { onlyPositional } from "../develop/arguments.ts";
import { wholeNumber } from "./arguments.ts";
import type { Command } from "../command.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";

/** As the management API bounds it. */
const LINES_MAX = 10_000;

export const logsCommand: Command = {
  name: "logs",
  group: "operate",
  summary: "show a module's log; --follow goes on with what comes",
  usage: "sandpiper logs <module> [--lines <n>] [--follow] [--dir <folder>]",
  example: "sandpiper logs threshold-filter --follow",
  options: {
    ...DIR_OPTION,
    lines: { type: "string", short: "n", description: "the last this many lines (100)" },
    follow: { type: "boolean", short: "f", description: "go on with what comes" },
  },
  async run({ values, positionals, env, json, out }) {
    const module = onlyPositional(positionals, "<module>", this.usage);
    const lines = wholeNumber(values, "lines", LINES_MAX);
    const log = (await gatewayClient(values, env)).logs(module, {
      follow: values["follow"] === true,
      ...(lines === undefined ? {} : { lines }),
    });
    for await (const line of log) out(json ? JSON.stringify({ module, line }) : line);
    return 0;
  },
};
