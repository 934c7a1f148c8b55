/** `sandpiper trust add|list|remove`: whose modules may run on a gateway. */
import { basename } from "node:path";
import type { TrustedKeyView } from "../../host/index.ts";
import { onlyPositional, stringOption } from "../develop/arguments.ts";
import { noPositionals } from "./arguments.ts";
import type { Command } from "../command.ts";
import { DIR_OPTION, gatewayDir } from "./gateway-dir.ts";
import { readBytes } from "../files.ts";
import { formatTable, type Column } from "./table.ts";

const KEY_FILE_BYTES_MAX = 64 * 1024;

const COLUMNS: readonly Column<TrustedKeyView>[] = [
  { title: "NAME", cell: ({ name }) => name },
  { title: "KEY ID", cell: ({ keyId }) => keyId },
];

export const trustAddCommand: Command = {
  name: "trust add",
  group: "operate",
  summary: "trust a public key: what it signed may run, from the next apply on",
  usage: "sandpiper trust add <key.pub> [--name <name>] [--dir <folder>]",
  example: "sandpiper trust add release.key.pub",
  options: { ...DIR_OPTION, name: { type: "string", description: "what to call it (the file's name)" } },
  async run({ values, positionals, env, json, out }) {
    const file = onlyPositional(positionals, "<key.pub>", this.usage);
    const name = stringOption(values, "name") ?? basename(file).replace(/(\.key)?\.(pub|pem)$/, "");
    const pem = (await readBytes(file, KEY_FILE_BYTES_MAX)).toString("utf8");
    const { addTrustedKey, existingGateway } = await import("../../host/index.ts");
    const { trust } = existingGateway(gatewayDir(values, env));
    const key = await addTrustedKey(trust, name, pem);
    out(json ? JSON.stringify(key) : `trusted: ${key.name} (${key.keyId})`);
    return 0;
  },
};

export const trustListCommand: Command = {
  name: "trust list",
  group: "operate",
  summary: "list the keys whose modules may run",
  usage: "sandpiper trust list [--dir <folder>] [--json]",
  example: "sandpiper trust list",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const { existingGateway, listTrustedKeys } = await import("../../host/index.ts");
    const keys = await listTrustedKeys(existingGateway(gatewayDir(values, env)).trust);
    if (json) out(JSON.stringify(keys));
    else out(keys.length === 0 ? NOBODY : formatTable(COLUMNS, keys));
    return 0;
  },
};

const NOBODY = "nobody is trusted, so no module runs; add a key with: sandpiper trust add <key.pub>";

export const trustRemoveCommand: Command = {
  name: "trust remove",
  group: "operate",
  summary: "trust a key no longer: at the next apply or start, what only it signed is refused",
  usage: "sandpiper trust remove <name or key id> [--dir <folder>]",
  example: "sandpiper trust remove release",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    const nameOrId = onlyPositional(positionals, "<name or key id>", this.usage);
    const { existingGateway, removeTrustedKey } = await import("../../host/index.ts");
    const key = await removeTrustedKey(existingGateway(gatewayDir(values, env)).trust, nameOrId);
    out(json ? JSON.stringify(key) : `no longer trusted: ${key.name} (${key.keyId})`);
    return 0;
  },
};
