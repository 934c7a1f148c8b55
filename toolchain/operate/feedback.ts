/** `sandpiper c2d feedback`: what became of messages to devices whose senders wanted to know. */
import type { FeedbackPage } from "../../host/index.ts";
import type { Command, Context } from "../command.ts";
import { UsageError } from "../errors.ts";
import { noPositionals, wholeNumber } from "./arguments.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { printable } from "./message-text.ts";

const TAIL_DEFAULT = 20;
const PAGE_RECORDS = 100;
/** How long the gateway holds a request that has nothing to answer yet. */
const WAIT_MS = 20_000;

export const feedbackCommand: Command = {
  name: "c2d feedback",
  group: "operate",
  summary: "show what became of messages sent with --ack; --follow goes on with what comes",
  usage: "sandpiper c2d feedback [--follow] [--tail <n> | --from <offset>] [--dir <folder>] [--json]",
  example: "sandpiper c2d feedback --follow",
  options: {
    ...DIR_OPTION,
    follow: { type: "boolean", short: "f", description: "go on with what comes" },
    tail: { type: "string", short: "n", description: `begin with the last this many (${TAIL_DEFAULT})` },
    from: { type: "string", description: "begin with this offset" },
  },
  async run({ values, positionals, env, json, out, err }) {
    noPositionals(positionals, this.usage);
    const client = await gatewayClient(values, env);
    const follow = values["follow"] === true;
    let query = startOf(values);
    let shown = 0;
    for (;;) {
      const page = await client.feedback({ ...query, limit: PAGE_RECORDS, waitMs: follow ? WAIT_MS : 0 });
      if (page.records.length === 0 && !follow) break;
      if ("from" in query && page.oldest > query.from) {
        err(`${page.oldest - query.from} records were given up before they could be read here`);
      }
      for (const record of page.records) out(json ? JSON.stringify(record) : format(record));
      shown += page.records.length;
      query = { from: page.next };
    }
    if (shown === 0 && !json) out("no feedback; it is kept of messages that are sent with --ack");
    return 0;
  },
};

function startOf(values: Context["values"]): { tail: number } | { from: number } {
  const from = wholeNumber(values, "from", Number.MAX_SAFE_INTEGER);
  const tail = wholeNumber(values, "tail", Number.MAX_SAFE_INTEGER);
  if (from !== undefined && tail !== undefined) {
    throw new UsageError("options --tail and --from: exclude each other");
  }
  return from === undefined ? { tail: tail ?? TAIL_DEFAULT } : { from };
}

const format = (record: FeedbackPage["records"][number]): string =>
  `${record.enqueuedTimeUtc} ${record.deviceId} ${printable(record.originalMessageId)} ` +
  `${record.statusCode}: ${record.description}`;
