/** `sandpiper tap`: what is appended to an endpoint, as it happens. For looking: nothing is consumed. */
import { onlyPositional } from "../develop/arguments.ts";
import { wholeNumber } from "./arguments.ts";
import type { Command } from "../command.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { formatEvent, toJsonEvent } from "./message-text.ts";

/** As the management API has them. */
const RATE_DEFAULT = 10;
const RATE_MAX = 1000;
const BODY_CHARACTERS_DEFAULT = 200;

export const tapCommand: Command = {
  name: "tap",
  group: "operate",
  summary: "show what comes into a queue, as it comes; nothing is taken out of it",
  usage:
    "sandpiper tap <endpoint> [--rate <n>] [--count <n>] [--body <characters>] [--dir <folder>] [--json]",
  example: "sandpiper tap threshold-filter/input --rate 2",
  options: {
    ...DIR_OPTION,
    rate: {
      type: "string",
      description: `at most this many per second (${RATE_DEFAULT}); others are counted`,
    },
    count: { type: "string", short: "n", description: "end after this many" },
    body: { type: "string", description: `show this many characters of a body (${BODY_CHARACTERS_DEFAULT})` },
  },
  async run({ values, positionals, env, json, out, err }) {
    const endpoint = onlyPositional(positionals, "<endpoint>", this.usage);
    const rate = wholeNumber(values, "rate", RATE_MAX, 1) ?? RATE_DEFAULT;
    const count = wholeNumber(values, "count", Number.MAX_SAFE_INTEGER, 1) ?? Infinity;
    const charactersMax = wholeNumber(values, "body", Number.MAX_SAFE_INTEGER) ?? BODY_CHARACTERS_DEFAULT;
    let shown = 0;
    for await (const page of (await gatewayClient(values, env)).tap(endpoint, rate)) {
      for (const event of page.events.slice(0, count - shown)) {
        out(json ? JSON.stringify(toJsonEvent(event)) : formatEvent(event, charactersMax));
        shown++;
      }
      if (page.skipped > 0) err(`${page.skipped} more came, which are not shown`);
      if (shown >= count) break;
    }
    return 0;
  },
};
