/** `sandpiper dlq list`: messages that were given up, and why. */
import { noPositionals, wholeNumber } from "./arguments.ts";
import type { Command } from "../command.ts";
import { DIR_OPTION, gatewayDir } from "./gateway-dir.ts";
import { formatDeadLetter, toJsonEvent } from "./message-text.ts";

const LIMIT_DEFAULT = 100;
/** As the management API bounds it. */
const LIMIT_MAX = 1000;
const BODY_CHARACTERS = 200;

export const deadLetterListCommand: Command = {
  name: "dlq list",
  group: "operate",
  summary: "list the dead letters: messages that were given up, and why",
  usage:
    "sandpiper dlq list [--endpoint <module/input>] [--from <offset>] [--limit <n>] [--dir <folder>] [--json]",
  example: "sandpiper dlq list --endpoint threshold-filter/input",
  options: {
    ...DIR_OPTION,
    endpoint: { type: "string", description: "of this queue only" },
    from: { type: "string", description: "begin with this offset" },
    limit: { type: "string", description: "at most this many (100)" },
  },
  async run({ values, positionals, env, json, out, err }) {
    noPositionals(positionals, this.usage);
    const from = wholeNumber(values, "from", Number.MAX_SAFE_INTEGER) ?? 0;
    const limit = wholeNumber(values, "limit", LIMIT_MAX, 1) ?? LIMIT_DEFAULT;
    const endpoint = typeof values["endpoint"] === "string" ? { endpoint: values["endpoint"] } : {};
    const { createManagementClient } = await import("../../host/index.ts");
    const client = createManagementClient(gatewayDir(values, env));
    const { letters, next } = await client.deadLetters({ ...endpoint, from, limit });
    if (json) {
      for (const letter of letters) out(JSON.stringify({ ...letter, message: toJsonEvent(letter.message) }));
    } else if (letters.length === 0) {
      out("no dead letters");
    } else {
      for (const letter of letters) out(formatDeadLetter(letter, BODY_CHARACTERS));
    }
    if (letters.length === limit) err(`there may be more: --from ${next}`);
    return 0;
  },
};
