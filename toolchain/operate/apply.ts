/** `sandpiper apply`: brings a deployment about, all of it or nothing. */
import { dirname, resolve } from "node:path";
import { onlyPositional } from "../develop/arguments.ts";
import type { DeploymentStatus } from "../../host/index.ts";
import type { Command } from "../command.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { readBytes } from "../files.ts";
import { printable } from "./message-text.ts";

const APPLIED = 200;
/** Larger ones no gateway takes, whatever its configuration says. */
const DEPLOYMENT_BYTES_MAX = 64 * 1024 * 1024;

export const applyCommand: Command = {
  name: "apply",
  group: "operate",
  summary: "apply a deployment manifest; what it says is brought about, or nothing is",
  usage: "sandpiper apply <deployment.json> [--dir <folder>]",
  example: "sandpiper apply deployment.json",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out, err }) {
    const { parseJsonText } = await import("../../host/index.ts");
    const file = resolve(onlyPositional(positionals, "<deployment.json>", this.usage));
    const deployment = parseJsonText((await readBytes(file, DEPLOYMENT_BYTES_MAX)).toString("utf8"), file);
    const client = await gatewayClient(values, env);
    const status = await client.apply(deployment, dirname(file));
    if (json) out(JSON.stringify(status));
    else if (status.code === APPLIED) out(describe("applied", status));
    else err(describe("not applied", status, await routeExcerptOf(status)));
    return status.code === APPLIED ? 0 : 1;
  },
};

function describe(
  what: string,
  { code, description, warnings, error, rolledBackTo }: DeploymentStatus,
  excerpt: readonly string[] = [],
): string {
  const lines = [`${what}: ${code}${description === "" ? "" : ` ${description}`}`];
  lines.push(...excerpt.map((line) => `  ${line}`));
  if (error?.hint !== undefined) lines.push(`  hint: ${error.hint}`);
  if (code !== APPLIED)
    lines.push(rolledBackTo === null ? UNTOUCHED : `  deployment ${rolledBackTo} runs again`);
  return [...lines, ...warnings.map((warning) => `  warning: ${warning}`)].map(printable).join("\n");
}

/** The route that cannot be read, and a caret below the place; nothing for other errors. */
async function routeExcerptOf({ error }: DeploymentStatus): Promise<readonly string[]> {
  const { query, line, column } = error?.details ?? {};
  if (typeof query !== "string" || typeof line !== "number" || typeof column !== "number") return [];
  const { routeExcerpt } = await import("../../hub/index.ts");
  return routeExcerpt(query, line, column).split("\n");
}

const UNTOUCHED = "  what ran before still runs; see: sandpiper list";
