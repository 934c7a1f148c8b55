/** `sandpiper events`: what reached `$upstream`, of a gateway that is its own cloud. */
import type { EventPageView, ManagementClient } from "../../host/index.ts";
import { noPositionals, wholeNumber } from "./arguments.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { formatEvent, toJsonEvent } from "./message-text.ts";

const TAIL_DEFAULT = 20;
const BODY_CHARACTERS_DEFAULT = 200;
const PAGE_EVENTS = 100;
/** How long the gateway holds a request that has nothing to answer yet. */
const WAIT_MS = 20_000;

export const eventsCommand: Command = {
  name: "events",
  group: "operate",
  summary: "show what reached $upstream; --follow goes on with what comes",
  usage:
    "sandpiper events [--follow] [--tail <n> | --from <offset>] [--body <characters>] [--dir <folder>] [--json]",
  example: "sandpiper events --follow",
  options: {
    ...DIR_OPTION,
    follow: { type: "boolean", short: "f", description: "go on with what comes" },
    tail: { type: "string", short: "n", description: "begin with the last this many (20)" },
    from: { type: "string", description: "begin with this offset" },
    body: { type: "string", description: "show this many characters of a body (200)" },
  },
  async run({ values, positionals, env, json, out, err }) {
    noPositionals(positionals, this.usage);
    const from = wholeNumber(values, "from", Number.MAX_SAFE_INTEGER);
    const tail = wholeNumber(values, "tail", Number.MAX_SAFE_INTEGER);
    if (from !== undefined && tail !== undefined)
      throw new UsageError("options --tail and --from: exclude each other");
    const charactersMax = wholeNumber(values, "body", Number.MAX_SAFE_INTEGER) ?? BODY_CHARACTERS_DEFAULT;
    const client = await gatewayClient(values, env);
    const start = from === undefined ? { tail: tail ?? TAIL_DEFAULT } : { from };
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

export interface EventBatch {
  readonly page: EventPageView;
  /** Events between the last page and this one that are not kept any more. */
  readonly missed: number;
}

/** Pages of events until there are no more, or with `follow` for as long as somebody reads. */
export async function* readEventPages(
  client: Pick<ManagementClient, "events">,
  start: { readonly tail: number } | { readonly from: number },
  follow: boolean,
): AsyncGenerator<EventBatch> {
  let query: { tail: number } | { from: number } = start;
  for (;;) {
    const page = await client.events({ ...query, limit: PAGE_EVENTS, waitMs: follow ? WAIT_MS : 0 });
    if (page.events.length === 0 && !follow) return;
    yield { page, missed: "from" in query ? Math.max(0, page.oldest - query.from) : 0 };
    query = { from: page.next };
  }
}
