/** `sandpiper activity`: what has happened on the gateway since it started. Messages are `sandpiper events`. */
import type { ActivityRecord } from "../../host/index.ts";
import type { Command } from "../command.ts";
import { noPositionals } from "./arguments.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { printable } from "./message-text.ts";

const PAGE_RECORDS = 100;
/** How long the gateway holds a request that has nothing to answer yet. */
const WAIT_MS = 20_000;

export const activityCommand: Command = {
  name: "activity",
  group: "operate",
  summary: "show what has happened since the gateway started: modules, deployments, identities, the hub",
  usage: "sandpiper activity [--follow] [--dir <folder>] [--json]",
  example: "sandpiper activity --follow",
  options: { ...DIR_OPTION, follow: { type: "boolean", short: "f", description: "go on with what comes" } },
  async run({ values, positionals, env, json, out, err }) {
    noPositionals(positionals, this.usage);
    const client = await gatewayClient(values, env);
    const follow = values["follow"] === true;
    let from = 0;
    for (;;) {
      const page = await client.activity({ from, limit: PAGE_RECORDS, waitMs: follow ? WAIT_MS : 0 });
      if (from > 0 && page.oldest > from) err(`${page.oldest - from} records are not kept any more`);
      for (const record of page.records) out(json ? JSON.stringify(record) : format(record));
      if (page.records.length === 0 && !follow) return 0;
      from = page.next;
    }
  },
};

const format = ({ at, kind, subject, text }: ActivityRecord): string =>
  printable(`${at}  ${kind} ${subject}: ${text}`);
