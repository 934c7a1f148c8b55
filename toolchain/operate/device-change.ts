/** `sandpiper device renew-key|parent`: what of a device changes while it is in use. */
import type { Command } from "../command.ts";
import { onlyPositional } from "../develop/arguments.ts";
import { UsageError } from "../errors.ts";
import { identityName } from "./device.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { MODULE_OPTION } from "./target.ts";

export const deviceRenewKeyCommand: Command = {
  name: "device renew-key",
  group: "operate",
  summary: "give a device a new key, print its connection string, and disconnect whoever used the old one",
  usage:
    "sandpiper device renew-key [<device>] --primary|--secondary [--module <name>] [--dir <folder>] [--json]",
  example: "sandpiper device renew-key thermo1 --secondary",
  options: {
    ...DIR_OPTION,
    ...MODULE_OPTION,
    primary: { type: "boolean", description: "in place of the primary key; the secondary goes on" },
    secondary: { type: "boolean", description: "in place of the secondary key; the primary goes on" },
  },
  async run({ values, positionals, env, json, out, err }) {
    const name = identityName(values, positionals, this.usage);
    const [which, second] = (["primary", "secondary"] as const).filter((key) => values[key] === true);
    if (which === undefined || second !== undefined) {
      throw new UsageError("options --primary, --secondary: one of them", `usage: ${this.usage}`);
    }
    const renewed = await (await gatewayClient(values, env)).renewKey(which, name);
    out(json ? JSON.stringify(renewed) : renewed.connectionString);
    if (!json) err(`the ${which} key is another one now; it is shown this once`);
    return 0;
  },
};

export const deviceParentCommand: Command = {
  name: "device parent",
  group: "operate",
  summary: "say what device another one is a child of from now on; it has one parent",
  usage: "sandpiper device parent <device> <parent>|--none [--dir <folder>]",
  example: "sandpiper device parent leaf thermo1",
  options: { ...DIR_OPTION, none: { type: "boolean", description: "nobody's child" } },
  async run({ values, positionals, env, json, out }) {
    const [deviceId, ...rest] = positionals;
    const parent = values["none"] === true ? null : onlyPositional(rest, "<parent>", this.usage);
    if (deviceId === undefined || (parent === null && rest.length > 0)) {
      throw new UsageError("argument <parent>, or --none: one of them", `usage: ${this.usage}`);
    }
    await (await gatewayClient(values, env)).setParent(deviceId, parent);
    if (json) out(JSON.stringify({ deviceId, parent }));
    else out(parent === null ? `${deviceId} has no parent` : `${deviceId} is a child of ${parent}`);
    return 0;
  },
};
