/**
 * `npm run bench -- COMMAND`: measures this checkout on this machine. Figures go to stdout, progress to stderr.
 *
 * Exit code 0: measured, whatever the figures; 1: a server lost or broke messages, or nothing could be measured;
 * 2: usage. Only ratios from an otherwise idle machine mean anything.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { join, resolve } from "node:path";
import { SandpiperError } from "../../abi/index.ts";
import { STORE_DEFAULTS } from "../../hub/face.ts";
import { AMQP_COST_PLAN, amqpCostReport, QUICK_AMQP_COST } from "./amqp-cost.ts";
import { backlogReport } from "./backlog.ts";
import {
  backlogMessages,
  loadOf,
  loadsOf,
  parseCommandLine,
  peersOf,
  positive,
  slowDiskMs,
  USAGE,
  UsageError,
  type CommandLine,
} from "./command-line.ts";
import { buildDir } from "./compile.ts";
import { CONNECTIONS_PLAN, connectionsReport, QUICK_CONNECTIONS } from "./connections.ts";
import { isMemoryDisk } from "./disk.ts";
import { DISTURBANCE_PLAN, disturbanceReport, QUICK_DISTURBANCE } from "./disturbance.ts";
import { endToEndReport, SUBJECT } from "./end-to-end.ts";
import { footprintReport } from "./footprint.ts";
import {
  amqpTable,
  backlogTable,
  connectionsTable,
  disturbanceTable,
  profileTable,
  rateTable,
  ratioTable,
  wearTables,
} from "./markdown.ts";
import { mosquittoVersion } from "./peers/mosquitto.ts";
import { profileReport } from "./profile.ts";
import { measureRounds } from "./rounds.ts";
import { SlowDisk } from "./slow-disk.ts";
import { endToEndTable, verdictLines } from "./table.ts";
import { QUICK_WEAR, WEAR_PLAN, wearReport } from "./wear.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** What a command has found out. */
interface Outcome {
  readonly report: object;
  /** For people, and for docs/performance.md. */
  readonly text: string;
  /** What was lost or broken. */
  readonly faults: readonly string[];
}

type Command = (commandLine: CommandLine, folder: string) => Promise<Outcome>;

const progress = (line: string) => void process.stderr.write(`${line}\n`);

const endToEnd: Command = async ({ values }, folder) => {
  const slowMs = values["slow-disk"] === undefined ? null : slowDiskMs(values["slow-disk"]);
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

  using slowDisk = slowMs === null ? null : new SlowDisk(folder, slowMs);
  const measurement = await measureRounds(available, { ...plan, slowDisk }, progress);
  const report = endToEndReport(measurement, STORE_DEFAULTS.lingerMs);
  const { rounds, times } = plan;
  const text = [
    endToEndTable(report),
    ratioTable(report),
    rateTable(report, SUBJECT),
    verdictLines(report.targets),
    `a flush takes ${report.paced.flushMicros.toFixed(0)} µs`,
  ].join("\n\n");
  return {
    report: { rounds, ...times, slowDiskMs: slowMs, skipped, ...report },
    text,
    faults: report.faults,
  };
};

const footprint: Command = async (_commandLine, folder) => {
  const report = await footprintReport(folder, progress);
  return { report, text: verdictLines(report.targets), faults: [] };
};

const wear: Command = async ({ values }, folder) => {
  const report = await wearReport({ ...(values.quick ? QUICK_WEAR : WEAR_PLAN), folder }, progress);
  const idle = `the machine itself writes ${report.idleBytesPerSecond.toFixed(0)} B per second`;
  const text = [wearTables(report), idle, verdictLines(report.targets)].join("\n\n");
  return { report, text, faults: report.faults };
};

const backlog: Command = async ({ values }, folder) => {
  const report = await backlogReport({ messages: backlogMessages(values.messages), folder }, progress);
  return { report, text: backlogTable(report), faults: report.faults };
};

const disturbance: Command = async ({ values }, folder) => {
  const plan = values.quick ? QUICK_DISTURBANCE : DISTURBANCE_PLAN;
  const report = await disturbanceReport({ ...plan, folder }, progress);
  const text = [disturbanceTable(report), verdictLines(report.targets)].join("\n\n");
  return { report, text, faults: report.faults };
};

const connections: Command = async ({ values }, folder) => {
  const plan = values.quick ? QUICK_CONNECTIONS : CONNECTIONS_PLAN;
  const report = await connectionsReport({ ...plan, folder }, progress);
  const tables = [connectionsTable(report), amqpTable(report.amqp)];
  return { report, text: [...tables, verdictLines(report.targets)].join("\n\n"), faults: report.faults };
};

const amqp: Command = async ({ values }, folder) => {
  const plan = values.quick ? QUICK_AMQP_COST : AMQP_COST_PLAN;
  const report = await amqpCostReport({ ...plan, folder }, progress);
  const text = [amqpTable(report), verdictLines(report.targets)].join("\n\n");
  return { report, text, faults: report.faults };
};

const profile: Command = async ({ values, operands }, folder) => {
  const times = { secs: positive("secs", values.secs), warmup: positive("warmup", values.warmup) };
  const profileDir = values["cpu-prof"];
  const report = await profileReport({ load: loadOf(operands[0]), ...times, profileDir, folder }, progress);
  return { report, text: profileTable(report), faults: report.faults };
};

/** And how many words may follow it. */
const COMMANDS = new Map<string, readonly [command: Command, operands: number]>([
  ["e2e", [endToEnd, 0]],
  ["footprint", [footprint, 0]],
  ["wear", [wear, 0]],
  ["backlog", [backlog, 0]],
  ["disturbance", [disturbance, 0]],
  ["connections", [connections, 0]],
  ["amqp", [amqp, 0]],
  ["profile", [profile, 1]],
]);

const machine = () => ({
  node: process.version,
  processors: availableParallelism(),
  kernel: release(),
  architecture: process.arch,
  mosquitto: mosquittoVersion,
});

function print(json: boolean, { report, text, faults }: Outcome): void {
  if (json) process.stdout.write(`${JSON.stringify({ machine: machine(), ...report }, null, 2)}\n`);
  else process.stdout.write(`${[text, ...faults.map((fault) => `broken: ${fault}`)].join("\n")}\n`);
}

async function main(): Promise<boolean> {
  const commandLine = parseCommandLine(process.argv.slice(2));
  const { command, operands, values } = commandLine;
  const [run, operandsMax] = COMMANDS.get(command) ?? [undefined, 0];
  if (run === undefined || operands.length > operandsMax) {
    throw new UsageError(`expected one command: ${[...COMMANDS.keys()].join(", ")}`);
  }
  const parent = resolve(values.folder ?? buildDir);
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "run-"));
  if (isMemoryDisk(folder)) progress(`warning: "${folder}" is in memory: nothing measured there is durable`);
  try {
    const outcome = await run(commandLine, folder);
    print(values.json, outcome);
    return outcome.faults.length === 0;
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
