/**
 * `npm run bench -- e2e|footprint`: measures this checkout on this machine. Figures go to stdout, progress to stderr.
 *
 * Exit code 0: measured, whatever the figures; 1: a server lost or broke messages, or nothing could be measured;
 * 2: usage. Only ratios from an otherwise idle machine mean anything.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SandpiperError } from "../../abi/index.ts";
import { STORE_DEFAULTS, type StoreConfig } from "../../hub/face.ts";
import { buildDir } from "./compile.ts";
import { isMemoryDisk } from "./disk.ts";
import { endToEndReport, SUBJECT } from "./end-to-end.ts";
import { footprintReport } from "./footprint.ts";
import { isLoadName, LOAD_NAMES } from "./loads.ts";
import type { Peer } from "./peer.ts";
import { aedes } from "./peers/aedes.ts";
import { mosquitto, mosquittoVersion } from "./peers/mosquitto.ts";
import { sandpiper } from "./peers/sandpiper.ts";
import { measureRounds } from "./rounds.ts";
import { endToEndTable, verdictLines } from "./table.ts";

const USAGE = `usage: npm run bench -- e2e [options]         rates, latency, processor time; against other brokers
       npm run bench -- footprint [options]   memory, start, restart

  --json           the report as JSON
  --folder DIR     where stores lie: the disk that is measured (test/bench/.build)
e2e only:
  --rounds N       of every load on every server (3)
  --secs S         measured, of each (3)
  --warmup S       under load before that, of each (1; paced at least 8)
  --only LOAD,...  ${LOAD_NAMES.join(", ")}
  --peers NAME,... leave out the others
  --variant NAME:KEY=VALUE,...   the gateway once more with another store, such as linger0:lingerMs=0
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

class UsageError extends Error {}

const OPTIONS = {
  json: { type: "boolean", default: false },
  folder: { type: "string" },
  rounds: { type: "string", default: "3" },
  secs: { type: "string", default: "3" },
  warmup: { type: "string", default: "1" },
  only: { type: "string" },
  peers: { type: "string" },
  variant: { type: "string", multiple: true, default: [] as string[] },
} as const;

type Values = ReturnType<typeof parse>["values"];

function parse() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

const progress = (line: string) => void process.stderr.write(`${line}\n`);

function positive(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new UsageError(`--${name} "${text}": expected a positive number`);
  return number;
}

function loadsOf(only: string | undefined) {
  return only === undefined
    ? LOAD_NAMES
    : only.split(",").map((name) => {
        if (!isLoadName(name)) throw new UsageError(`--only "${name}": expected ${LOAD_NAMES.join(", ")}`);
        return name;
      });
}

function peersOf({ peers: only, variant }: Values): readonly Peer[] {
  const all = [
    sandpiper(SUBJECT),
    sandpiper("nostore", { backend: "none" }),
    mosquitto,
    aedes,
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

async function endToEnd(values: Values, folder: string): Promise<boolean> {
  const plan = {
    loads: loadsOf(values.only),
    rounds: positive("rounds", values.rounds),
    times: { secs: positive("secs", values.secs), warmup: positive("warmup", values.warmup) },
    folder,
  };
  const peers = peersOf(values);
  const skipped = peers.flatMap(({ name, unavailable }) =>
    unavailable === null ? [] : [`${name}: ${unavailable}`],
  );
  for (const line of skipped) progress(`skipped  ${line}`);
  const available = peers.filter((peer) => peer.unavailable === null);

  const measurement = await measureRounds(available, plan, progress);
  const report = endToEndReport(measurement, STORE_DEFAULTS.lingerMs);
  if (values.json) {
    const { rounds, times } = plan;
    print({ machine: machine(), rounds, ...times, skipped, ...report });
  } else {
    process.stdout.write(`${endToEndTable(report)}\n\n${verdictLines(report.targets)}\n`);
    process.stdout.write(`a flush takes ${report.paced.flushMicros.toFixed(0)} µs\n`);
    for (const fault of report.faults) process.stdout.write(`broken: ${fault}\n`);
  }
  return report.faults.length === 0;
}

async function footprint(values: Values, folder: string): Promise<boolean> {
  const report = await footprintReport(folder, progress);
  if (values.json) print({ machine: machine(), ...report });
  else process.stdout.write(`${verdictLines(report.targets)}\n`);
  return true;
}

const print = (report: object) => process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);

const machine = () => ({
  node: process.version,
  processors: availableParallelism(),
  kernel: release(),
  architecture: process.arch,
  mosquitto: mosquittoVersion,
});

const COMMANDS = new Map([
  ["e2e", endToEnd],
  ["footprint", footprint],
]);

async function main(): Promise<boolean> {
  const { values, positionals } = parse();
  const command = COMMANDS.get(positionals[0] ?? "");
  if (command === undefined || positionals.length > 1)
    throw new UsageError("expected one command: e2e or footprint");
  const parent = resolve(values.folder ?? buildDir);
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "run-"));
  if (isMemoryDisk(folder)) progress(`warning: "${folder}" is in memory: nothing measured there is durable`);
  try {
    return await command(values, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  if (!(await main())) process.exitCode = EXIT_FAILED;
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`bench: ${error.message}\n\n${USAGE}`);
    process.exitCode = EXIT_USAGE;
  } else if (error instanceof SandpiperError) {
    process.stderr.write(
      `bench: ${error.message} (${error.code})\n${error.hint === undefined ? "" : `${error.hint}\n`}`,
    );
    process.exitCode = EXIT_FAILED;
  } else throw error;
}
