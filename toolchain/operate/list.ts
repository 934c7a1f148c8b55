/** `sandpiper list`: what runs. */
import type { ModuleView } from "../../host/index.ts";
import { noPositionals } from "./arguments.ts";
import type { Command } from "../command.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { printable } from "./message-text.ts";
import { formatAge, formatTable, type Column } from "./table.ts";

const columns = (nowMs: number): readonly Column<ModuleView>[] => [
  { title: "NAME", cell: ({ name }) => name },
  { title: "STATUS", cell: ({ status }) => status },
  { title: "DESCRIPTION", cell: (module) => printable(describe(module, nowMs)) },
  { title: "RESTARTS", cell: ({ restarts }) => restarts },
  { title: "IMAGE", cell: ({ image }) => printable(image) },
];

export const listCommand: Command = {
  name: "list",
  group: "operate",
  summary: "list the modules and what they are doing",
  usage: "sandpiper list [--dir <folder>] [--json]",
  example: "sandpiper list",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const modules = await (await gatewayClient(values, env)).modules();
    if (json) out(JSON.stringify(modules));
    else out(modules.length === 0 ? NO_MODULES : formatTable(columns(Date.now()), modules));
    return 0;
  },
};

/** A description that only repeats the status gives way to what is more telling: how long it has been so. */
const describe = ({ status, description, startedAt }: ModuleView, nowMs: number): string =>
  description === status && status === "running" && startedAt !== null
    ? `up ${formatAge(nowMs - Date.parse(startedAt))}`
    : description;

const NO_MODULES = "no modules; bring some with: sandpiper apply <deployment.json>";
