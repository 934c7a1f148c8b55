/** `sandpiper queue list`: what waits, and for whom. */
import type { QueueStatus } from "../../host/index.ts";
import { noPositionals } from "./arguments.ts";
import type { Command } from "../command.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { fitTable, formatAge, formatBytes, formatRate, type Column } from "./table.ts";

/** Above are routes that named no priority. */
const PRIORITY_MAX = 9;
const TABLE_CHARACTERS = 100;

/** What a full queue does, in a word: `store.queues` and docs/operations.md say more. */
const IF_FULL = { refuse: "refuse", drop_oldest: "drop", dead_letter: "bury" } as const;

const COLUMNS: readonly Column<QueueStatus>[] = [
  { title: "ENDPOINT", cell: ({ endpoint }) => endpoint },
  { title: "PRI", cell: ({ priority }) => (priority > PRIORITY_MAX ? null : priority) },
  { title: "WAITS", cell: ({ length }) => length },
  { title: "SIZE", cell: ({ bytes }) => formatBytes(bytes) },
  { title: "OF", cell: ({ bytesMax }) => formatBytes(bytesMax) },
  { title: "OLDEST", cell: ({ oldestAgeMs }) => formatAge(oldestAgeMs) },
  { title: "OUT", cell: ({ inFlight }) => inFlight },
  { title: "IN/S", cell: ({ inPerSecond }) => formatRate(inPerSecond) },
  { title: "OUT/S", cell: ({ outPerSecond }) => formatRate(outPerSecond) },
  { title: "EXP", cell: ({ expired }) => expired },
  { title: "DROP", cell: ({ dropped }) => dropped },
  { title: "FULL", cell: ({ overflow }) => IF_FULL[overflow] },
  { title: "FOR", cell: ({ consumer }) => consumer ?? "none" },
];

export const queueListCommand: Command = {
  name: "queue list",
  group: "operate",
  summary: "list the queues: how much waits, since when, how fast it comes and goes, and who takes it",
  usage: "sandpiper queue list [--all] [--dir <folder>] [--json]",
  example: "sandpiper queue list --all",
  options: { ...DIR_OPTION, all: { type: "boolean", description: "with the queues of dead letters" } },
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const queues = await (await gatewayClient(values, env)).queues();
    const shown = values["all"] === true ? queues : queues.filter(({ kind }) => kind !== "deadLetters");
    if (json) out(JSON.stringify(shown));
    else out(shown.length === 0 ? NO_QUEUES : fitTable(COLUMNS, shown, TABLE_CHARACTERS));
    return 0;
  },
};

const NO_QUEUES = "no queues; a route's first message makes one";
