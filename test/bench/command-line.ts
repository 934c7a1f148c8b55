/** The command line of the bench: words in, plans out. */
import { parseArgs } from "node:util";
import { STORE_DEFAULTS, type StoreConfig } from "../../hub/face.ts";
import { MESSAGES_DEFAULT, PUBLISHERS } from "./backlog.ts";
import { SUBJECT } from "./end-to-end.ts";
import { isLoadName, LOAD_NAMES, type LoadName } from "./loads.ts";
import type { Peer } from "./peer.ts";
import { aedes } from "./peers/aedes.ts";
import { mosquitto } from "./peers/mosquitto.ts";
import { sandpiper } from "./peers/sandpiper.ts";
import { seglog } from "./peers/seglog.ts";

export const USAGE = `usage: npm run bench -- e2e [options]         rates, latency, processor time; against other servers
       npm run bench -- footprint [options]   memory, start, restart
       npm run bench -- wear [options]        bytes on the disk per message; linger against latency
       npm run bench -- backlog [options]     millions of messages for a module that is away
       npm run bench -- disturbance [options] latency during checkpoints, and while artifacts are verified
       npm run bench -- connections [options] ten thousand connections, plain and over TLS; then what amqp does
       npm run bench -- amqp [options]        processor time per message over AMQP
       npm run bench -- profile LOAD          where the time goes, thread by thread

  --json           the report as JSON
  --folder DIR     where stores lie: the disk that is measured (test/bench/.build)
e2e:
  --rounds N       of every load on every server (3)
  --secs S         measured, of each (3); also of profile
  --warmup S       under load before that, of each (1; paced at least 8)
  --only LOAD,...  ${LOAD_NAMES.join(", ")}
  --peers NAME,... leave out the others
  --variant NAME:KEY=VALUE,...   the gateway once more with another store, such as linger0:lingerMs=0
  --slow-disk MS   every flush takes this much longer, for every server, such as 3ms
wear, disturbance, connections, amqp:
  --quick          windows of a second, few connections: whether it runs, no figures
profile:
  --cpu-prof DIR   leave processor profiles of its threads there, too; they cost time themselves
backlog:
  --messages N     of 300 B (${MESSAGES_DEFAULT})
`;

export class UsageError extends Error {}

const OPTIONS = {
  json: { type: "boolean", default: false },
  quick: { type: "boolean", default: false },
  folder: { type: "string" },
  rounds: { type: "string", default: "3" },
  secs: { type: "string", default: "3" },
  warmup: { type: "string", default: "1" },
  only: { type: "string" },
  peers: { type: "string" },
  variant: { type: "string", multiple: true, default: [] as string[] },
  "slow-disk": { type: "string" },
  "cpu-prof": { type: "string" },
  messages: { type: "string", default: String(MESSAGES_DEFAULT) },
} as const;

export interface CommandLine {
  readonly command: string;
  /** Words behind the command. */
  readonly operands: readonly string[];
  readonly values: Values;
}

export type Values = ReturnType<typeof parseOptions>["values"];

/** @throws {UsageError} */
export function parseCommandLine(words: readonly string[]): CommandLine {
  const { values, positionals } = parseOptions(words);
  const [command = "", ...operands] = positionals;
  return { command, operands, values };
}

function parseOptions(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** @throws {UsageError} as the others below */
export function positive(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new UsageError(`--${name} "${text}": expected a positive number`);
  return number;
}

/** `text`: "3ms" or "3". */
export function slowDiskMs(text: string): number {
  const number = Number(text.replace(/ms$/, ""));
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new UsageError(`--slow-disk "${text}": expected whole milliseconds, such as 3ms`);
  }
  return number;
}

/** Every publisher of the backlog sends as many. */
export function backlogMessages(text: string): number {
  const number = positive("messages", text);
  if (number % PUBLISHERS !== 0) {
    throw new UsageError(`--messages "${text}": expected a multiple of ${PUBLISHERS}`);
  }
  return number;
}

export function loadOf(name: string | undefined): LoadName {
  if (name !== undefined && isLoadName(name)) return name;
  throw new UsageError(`load "${name ?? ""}": expected ${LOAD_NAMES.join(", ")}`);
}

export const loadsOf = (only: string | undefined): readonly LoadName[] =>
  only === undefined ? LOAD_NAMES : only.split(",").map(loadOf);

export function peersOf({ peers: only, variant }: Values): readonly Peer[] {
  const all = [
    sandpiper(SUBJECT),
    sandpiper("nostore", { backend: "none" }),
    mosquitto,
    aedes,
    seglog,
    ...variant.map(variantOf),
  ];
  if (only === undefined) return all;
  return only.split(",").map((name) => {
    const peer = all.find((candidate) => candidate.name === name);
    if (peer === undefined)
      throw new UsageError(`--peers "${name}": expected ${all.map((p) => p.name).join(", ")}`);
    return peer;
  });
}

/** "linger0:lingerMs=0" */
function variantOf(text: string): Peer {
  const [name = "", settings = ""] = text.split(":");
  const store = Object.fromEntries(
    settings.split(",").map((setting) => {
      const [key = "", value = ""] = setting.split("=");
      if (!Object.hasOwn(STORE_DEFAULTS, key)) {
        throw new UsageError(`--variant "${text}": expected keys ${Object.keys(STORE_DEFAULTS).join(", ")}`);
      }
      return [key, Number.isNaN(Number(value)) ? value : Number(value)];
    }),
  ) as Partial<StoreConfig>;
  return sandpiper(name, store);
}
