/** `sandpiper apply`: brings a deployment about, all of it or nothing. */
import { dirname, resolve } from "node:path";
import { onePositional, readTextFile } from "./arguments.ts";
import type { Command } from "./command.ts";
import { DIR_OPTION, gatewayDir } from "./gateway-dir.ts";

const APPLIED = 200;

export const applyCommand: Command = {
  name: "apply",
  group: "operate",
  summary: "apply a deployment manifest; what it says is brought about, or nothing is",
  usage: "sandpiper apply <deployment.json> [--dir <folder>]",
  example: "sandpiper apply deployment.json",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out, err }) {
    const { createManagementClient, parseJsonText } = await import("../../host/index.ts");
    const file = resolve(onePositional(positionals, "deployment.json"));
    const deployment = parseJsonText(await readTextFile(file), file);
    const client = createManagementClient(gatewayDir(values, env));
    const { lastDesiredStatus } = await client.apply(deployment, dirname(file));
    const { code, description } = lastDesiredStatus;
    if (json) out(JSON.stringify({ lastDesiredStatus }));
    else if (code === APPLIED) out(`applied: ${code}${description === "" ? "" : ` ${description}`}`);
    else err(`not applied: ${code} ${description}\n  what ran before still runs; see: sandpiper list`);
    return code === APPLIED ? 0 : 1;
  },
};
