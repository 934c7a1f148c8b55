/** `sandpiper dlq list|show|replay|purge`: messages that were given up, why, and what becomes of them. */
import type { LetterPlace, Replayed } from "../../host/index.ts";
import { stringOption } from "../develop/arguments.ts";
import { noPositionals, wholeNumber } from "./arguments.ts";
import type { Command, Context } from "../command.ts";
import { UsageError } from "../errors.ts";
import { isDeletionMeant, YES_OPTION } from "./confirmation.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { formatDeadLetter, formatLetterInFull, toJsonEvent } from "./message-text.ts";

const LIMIT_DEFAULT = 100;
/** As the management API bounds it. */
const LIMIT_MAX = 1000;
const BODY_CHARACTERS = 200;
const BODY_CHARACTERS_IN_FULL = 4096;

const ALL_OPTION = { all: { type: "boolean", description: "all letters of the endpoint" } } as const;

export const deadLetterListCommand: Command = {
  name: "dlq list",
  group: "operate",
  summary: "list the dead letters: messages that were given up, and why",
  usage:
    "sandpiper dlq list [--endpoint <endpoint>] [--from <endpoint#offset>] [--limit <n>] [--dir <folder>] [--json]",
  example: "sandpiper dlq list --endpoint threshold-filter/input",
  options: {
    ...DIR_OPTION,
    endpoint: { type: "string", description: "of this queue only: <module>/<input>, or $upstream" },
    from: { type: "string", description: "begin here; with --endpoint, an offset is enough" },
    limit: { type: "string", description: `at most this many (${LIMIT_DEFAULT})` },
  },
  async run({ values, positionals, env, json, out, err }) {
    noPositionals(positionals, this.usage);
    const { letterPlaceText, parseLetterPlace } = await import("../../host/index.ts");
    const endpoint = stringOption(values, "endpoint");
    const from = startOf(values, endpoint, parseLetterPlace);
    const limit = wholeNumber(values, "limit", LIMIT_MAX, 1) ?? LIMIT_DEFAULT;
    const client = await gatewayClient(values, env);
    const { letters, next } = await client.deadLetters({ endpoint, from, limit });
    if (json) {
      for (const letter of letters) out(JSON.stringify({ ...letter, message: toJsonEvent(letter.message) }));
    } else if (letters.length === 0) {
      out("no dead letters");
    } else {
      for (const letter of letters) out(formatDeadLetter(letter, BODY_CHARACTERS));
    }
    if (next !== null) err(`there may be more: --from '${letterPlaceText(next)}'`);
    return 0;
  },
};

function startOf(
  values: Context["values"],
  endpoint: string | undefined,
  parse: (text: string) => LetterPlace | null,
): LetterPlace | undefined {
  const text = stringOption(values, "from");
  if (text === undefined) return undefined;
  if (endpoint !== undefined && /^\d+$/.test(text)) {
    return { endpoint, offset: wholeNumber(values, "from", Number.MAX_SAFE_INTEGER)! };
  }
  const place = parse(text);
  if (place !== null) return place;
  const hint =
    "it has the form <endpoint>#<offset>, as the list shows it; with --endpoint, an offset is enough";
  throw new UsageError(`option --from "${text}": not a place`, hint);
}

export const deadLetterShowCommand: Command = {
  name: "dlq show",
  group: "operate",
  summary: "show all there is about a dead letter: its fault and stack, its properties, its body",
  usage: "sandpiper dlq show <endpoint> <offset> [--body <characters>] [--dir <folder>] [--json]",
  example: "sandpiper dlq show threshold-filter/input 3",
  options: {
    ...DIR_OPTION,
    body: {
      type: "string",
      description: `show this many characters of the body (${BODY_CHARACTERS_IN_FULL})`,
    },
  },
  async run({ values, positionals, env, json, out }) {
    const { endpoint, offset } = letterArguments(positionals, this.usage);
    if (offset === undefined) throw new UsageError("argument <offset>: missing", `usage: ${this.usage}`);
    const charactersMax = wholeNumber(values, "body", Number.MAX_SAFE_INTEGER) ?? BODY_CHARACTERS_IN_FULL;
    const letter = await (await gatewayClient(values, env)).deadLetter({ endpoint, offset });
    if (json) out(JSON.stringify({ ...letter, message: toJsonEvent(letter.message) }));
    else out(formatLetterInFull(letter, charactersMax));
    return 0;
  },
};

export const deadLetterReplayCommand: Command = {
  name: "dlq replay",
  group: "operate",
  summary: "put dead letters back into the queue they came from, with a new time to live",
  usage: "sandpiper dlq replay <endpoint> (<offset> | --all) [--dir <folder>] [--json]",
  example: "sandpiper dlq replay threshold-filter/input --all",
  options: { ...DIR_OPTION, ...ALL_OPTION },
  async run({ values, positionals, env, json, out, err }) {
    const { endpoint, offset } = whichLetters(values, positionals, this.usage);
    const replayed = await (await gatewayClient(values, env)).replayDeadLetters(endpoint, offset);
    if (json) out(JSON.stringify(replayed));
    else {
      out(`replayed ${replayed.replayed}`);
      if (replayed.refused > 0) err(refusalText(replayed));
    }
    return replayed.refused > 0 ? 1 : 0;
  },
};

const REFUSALS: Readonly<Record<keyof Replayed["refusals"], string>> = {
  reported: "who sent it was told that it is over: send it anew",
  no_route: "no route leads to its queue any more",
  queue_full: "its queue is full",
  store_full: "the store is full",
  gone: "somebody else took it",
};

function refusalText({ refused, refusals }: Replayed): string {
  const why = Object.entries(refusals).map(
    ([reason, count]) => `${count}: ${REFUSALS[reason as keyof Replayed["refusals"]]}`,
  );
  return `left where they are ${refused} (${why.join("; ")})`;
}

export const deadLetterPurgeCommand: Command = {
  name: "dlq purge",
  group: "operate",
  summary: "delete dead letters for good",
  usage: "sandpiper dlq purge <endpoint> (<offset> | --all) [--yes] [--dir <folder>] [--json]",
  example: "sandpiper dlq purge threshold-filter/input 3 --yes",
  options: { ...DIR_OPTION, ...ALL_OPTION, ...YES_OPTION },
  async run({ values, positionals, env, json, out, err, ask }) {
    const { endpoint, offset } = whichLetters(values, positionals, this.usage);
    const what = `${offset === undefined ? "all dead letters" : `dead letter ${offset}`} of "${endpoint}"`;
    if (!(await isDeletionMeant({ values, ask, err }, what, `delete ${what} for good?`))) return 1;
    const { purged } = await (await gatewayClient(values, env)).purgeDeadLetters(endpoint, offset);
    out(json ? JSON.stringify({ purged }) : `deleted ${purged}`);
    return 0;
  },
};

interface Which {
  readonly endpoint: string;
  readonly offset: number | undefined;
}

/** `<endpoint>`, and an offset when there is one. */
function letterArguments(positionals: readonly string[], usage: string): Which {
  const [endpoint, offset, ...others] = positionals;
  noPositionals(others, usage);
  if (endpoint === undefined || endpoint === "") {
    throw new UsageError("argument <endpoint>: missing", `usage: ${usage}`);
  }
  if (offset !== undefined && !/^\d{1,15}$/.test(offset)) {
    throw new UsageError(`argument <offset> "${offset}": not a whole number`, `usage: ${usage}`);
  }
  return { endpoint, offset: offset === undefined ? undefined : Number(offset) };
}

/** Nobody does something to all letters because an argument was forgotten. */
function whichLetters(values: Context["values"], positionals: readonly string[], usage: string): Which {
  const which = letterArguments(positionals, usage);
  if ((which.offset === undefined) === (values["all"] === true)) return which;
  throw new UsageError("arguments: either an <offset> or --all", `usage: ${usage}`);
}
