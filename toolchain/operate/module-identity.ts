/** `sandpiper module-identity add|list|remove`: modules of the gateway's own that connect over the network. */
import type { DeviceView } from "../../host/index.ts";
import type { Command } from "../command.ts";
import { onlyPositional } from "../develop/arguments.ts";
import { noPositionals } from "./arguments.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { formatTable, type Column } from "./table.ts";

export const moduleIdentityAddCommand: Command = {
  name: "module-identity add",
  group: "operate",
  summary: "let a module of another process connect, and print its connection string; shown this once",
  usage: "sandpiper module-identity add <module> [--dir <folder>] [--json]",
  example: "sandpiper module-identity add reader",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    const moduleId = onlyPositional(positionals, "<module>", this.usage);
    const module = await (await gatewayClient(values, env)).addDevice({ moduleId });
    out(json ? JSON.stringify(module) : module.connectionString);
    return 0;
  },
};

const COLUMNS: readonly Column<DeviceView>[] = [
  { title: "MODULE", cell: ({ moduleId }) => moduleId },
  { title: "ENABLED", cell: ({ enabled }) => (enabled ? "yes" : "no") },
];

export const moduleIdentityListCommand: Command = {
  name: "module-identity list",
  group: "operate",
  summary: "list the modules of other processes that may connect",
  usage: "sandpiper module-identity list [--dir <folder>] [--json]",
  example: "sandpiper module-identity list",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const client = await gatewayClient(values, env);
    const { gatewayId } = await client.status();
    const modules = (await client.devices()).filter(
      ({ deviceId, moduleId }) => deviceId === gatewayId && moduleId !== null,
    );
    if (json) out(JSON.stringify(modules));
    else if (modules.length > 0) out(formatTable(COLUMNS, modules));
    else out("no module identities; add one with: sandpiper module-identity add <module>");
    return 0;
  },
};

export const moduleIdentityRemoveCommand: Command = {
  name: "module-identity remove",
  group: "operate",
  summary: "remove a module identity: its keys are forgotten, its connection is closed",
  usage: "sandpiper module-identity remove <module> [--dir <folder>]",
  example: "sandpiper module-identity remove reader",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    const moduleId = onlyPositional(positionals, "<module>", this.usage);
    const client = await gatewayClient(values, env);
    const { gatewayId } = await client.status();
    await client.removeDevice(gatewayId, moduleId);
    out(json ? JSON.stringify({ removed: `${gatewayId}/${moduleId}` }) : `removed ${gatewayId}/${moduleId}`);
    return 0;
  },
};
