/** `sandpiper events`: what reached `$upstream`, of a gateway that is its own cloud. */
import type { EventPageView, ManagementClient } from "../../host/index.ts";
import { noPositionals, wholeNumber } from "./arguments.ts";
import type { Command } from "../command.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { LOG_OPTIONS, logStartOf, readLogPages, type LogRead, type LogStart } from "./log-pages.ts";
import { formatEvent, toJsonEvent } from "./message-text.ts";

const BODY_CHARACTERS_DEFAULT = 200;

export const eventsCommand: Command = {
  name: "events",
  group: "operate",
  summary: "show what reached $upstream; --follow goes on with what comes",
  usage:
    "sandpiper events [--follow] [--tail <n> | --from <offset>] [--body <characters>] [--dir <folder>] [--json]",
  example: "sandpiper events --follow",
  options: {
    ...DIR_OPTION,
    ...LOG_OPTIONS,
    body: { type: "string", description: "show this many characters of a body (200)" },
  },
  async run({ values, positionals, env, json, out, err }) {
    noPositionals(positionals, this.usage);
    const start = logStartOf(values);
    const charactersMax = wholeNumber(values, "body", Number.MAX_SAFE_INTEGER) ?? BODY_CHARACTERS_DEFAULT;
    const client = await gatewayClient(values, env);
    let shown = 0;
    for await (const { page, missed } of readEventPages(client, start, values["follow"] === true)) {
      shown += page.events.length;
      if (missed > 0) err(`${missed} events were given up to make room before they could be read here`);
      for (const event of page.events) {
        out(json ? JSON.stringify(toJsonEvent(event)) : formatEvent(event, charactersMax));
      }
    }
    if (shown === 0 && !json) out(NO_EVENTS);
    return 0;
  },
};

const NO_EVENTS = "no events; what routes send INTO $upstream arrives here";

/** Pages of events until there are no more, or with `follow` for as long as somebody reads. */
export const readEventPages = (
  client: Pick<ManagementClient, "events">,
  start: LogStart,
  follow: boolean,
): AsyncGenerator<LogRead<EventPageView>> =>
  readLogPages(
    (query) => client.events(query),
    ({ events }) => events.length,
    start,
    follow,
  );
