/** `sandpiper queue list`: what waits, and for whom. */
import type { QueueStatus } from "../../host/index.ts";
import { noPositionals } from "./arguments.ts";
import type { Command } from "../command.ts";
import { DIR_OPTION, gatewayDir } from "./gateway-dir.ts";
import { formatAge, formatBytes, formatTable, type Column } from "./table.ts";

const COLUMNS: readonly Column<QueueStatus>[] = [
  { title: "ENDPOINT", cell: ({ endpoint }) => endpoint },
  { title: "PRIORITY", cell: ({ priority }) => (priority > PRIORITY_MAX ? null : priority) },
  { title: "MESSAGES", cell: ({ length }) => length },
  { title: "SIZE", cell: ({ bytes }) => formatBytes(bytes) },
  { title: "OLDEST", cell: ({ oldestAgeMs }) => formatAge(oldestAgeMs) },
  { title: "IN FLIGHT", cell: ({ inFlight }) => inFlight },
  { title: "CONSUMER", cell: ({ consumer }) => consumer ?? "none" },
];

/** Above are routes that named no priority. */
const PRIORITY_MAX = 9;

export const queueListCommand: Command = {
  name: "queue list",
  group: "operate",
  summary: "list the queues: how much waits, since when, and who takes it",
  usage: "sandpiper queue list [--dir <folder>] [--json]",
  example: "sandpiper queue list",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const { createManagementClient } = await import("../../host/index.ts");
    const queues = await createManagementClient(gatewayDir(values, env)).queues();
    if (json) out(JSON.stringify(queues));
    else out(queues.length === 0 ? NO_QUEUES : formatTable(COLUMNS, queues));
    return 0;
  },
};

const NO_QUEUES = "no queues; a route's first message makes one";
