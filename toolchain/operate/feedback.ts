/** `sandpiper c2d feedback`: what became of messages to devices whose senders wanted to know. */
import type { FeedbackPage } from "../../host/index.ts";
import type { Command } from "../command.ts";
import { noPositionals } from "./arguments.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { LOG_OPTIONS, logStartOf, readLogPages } from "./log-pages.ts";
import { printable } from "./message-text.ts";

export const feedbackCommand: Command = {
  name: "c2d feedback",
  group: "operate",
  summary: "show what became of messages sent with --ack; --follow goes on with what comes",
  usage: "sandpiper c2d feedback [--follow] [--tail <n> | --from <offset>] [--dir <folder>] [--json]",
  example: "sandpiper c2d feedback --follow",
  options: {
    ...DIR_OPTION,
    ...LOG_OPTIONS,
  },
  async run({ values, positionals, env, json, out, err }) {
    noPositionals(positionals, this.usage);
    const start = logStartOf(values);
    const client = await gatewayClient(values, env);
    const pages = readLogPages(
      (query) => client.feedback(query),
      ({ records }) => records.length,
      start,
      values["follow"] === true,
    );
    let shown = 0;
    for await (const { page, missed } of pages) {
      shown += page.records.length;
      if (missed > 0) err(`${missed} records were given up before they could be read here`);
      for (const record of page.records) out(json ? JSON.stringify(record) : format(record));
    }
    if (shown === 0 && !json) out("no feedback; it is kept of messages that are sent with --ack");
    return 0;
  },
};

const format = (record: FeedbackPage["records"][number]): string =>
  `${record.enqueuedTimeUtc} ${record.deviceId} ${printable(record.originalMessageId)} ` +
  `${record.statusCode}: ${record.description}`;
