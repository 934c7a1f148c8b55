/** The tables of docs/performance.md, as they are pasted there. Pure. */
import type { AmqpCostReport } from "./amqp-cost.ts";
import type { BacklogReport } from "./backlog.ts";
import type { ConnectionsReport } from "./connections.ts";
import type { Disturbance, DisturbanceReport } from "./disturbance.ts";
import type { EndToEndReport } from "./end-to-end.ts";
import { CLOSED_LOADS, LOAD_NAMES } from "./loads.ts";
import type { ProfileReport } from "./profile.ts";
import { YARDSTICKS, type Verdict } from "./targets.ts";
import type { WearReport } from "./wear.ts";

const MEGABYTE = 1024 * 1024;

/** The first row is the heading. Columns are padded as the formatter pads them. */
export function markdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  const [heading, ...rest] = rows;
  return [line(heading!), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}

/** Rates: 371,000. Three digits are more than one run is worth. */
export function thousands(number: number): string {
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, number))) - 2);
  return (Math.round(number / digits) * digits).toLocaleString("en-US");
}

const ratio = (number: number): string => `${number.toFixed(2)}x`;
/** Of a processor, or of a disk's patience: two digits. */
const brief = (number: number): string => (number >= 10 ? number.toFixed(0) : number.toFixed(1));
const milliseconds = (micros: number): string => brief(micros / 1000);
const megabytes = (bytes: number): string => `${(bytes / MEGABYTE).toFixed(0)} MB`;

export function bytes(number: number): string {
  return number < 1000 ? `${number.toFixed(0)} B` : `${brief(number / 1024)} KB`;
}

const reached = (verdict: Verdict | undefined): readonly [must: string, reached: string] => {
  if (verdict === undefined) return ["", ""];
  const must = verdict.unit === "x" ? `${verdict.must}x` : `${verdict.must} ${verdict.unit}`;
  const words = { missed: "no", reached: "yes", "stretch reached": "stretch", "not measured": "-" } as const;
  return [must, words[verdict.verdict]];
};

export function ratioTable(report: EndToEndReport): string {
  const rows = YARDSTICKS.flatMap((yardstick) =>
    CLOSED_LOADS.flatMap((load) => {
      const median = report.ratios[yardstick][load];
      const range = report.spread[yardstick][load];
      if (median === null || range === null) return [];
      const verdict = report.targets.find(({ figure }) => figure === `${load} against ${yardstick}`);
      const spread = `${ratio(median)} (${range.map((bound) => bound.toFixed(2)).join(" - ")})`;
      return [[yardstick, load, spread, ...reached(verdict)]];
    }),
  );
  return markdown([["Against", "Load", "Ratio", "Must", "Reached"], ...rows]);
}

export function rateTable(report: EndToEndReport, peer: string): string {
  const rows = LOAD_NAMES.flatMap((load) => {
    const absolute = report.absolute[peer]?.[load];
    if (absolute === undefined) return [];
    const { p50, p99 } = absolute.ackMicros;
    return [
      [
        load,
        thousands(absolute.messagesPerSecond),
        `${brief(absolute.cpuMicrosPerMessage)} µs`,
        `${milliseconds(p50)}, ${milliseconds(p99)} ms`,
        bytes(absolute.diskBytesPerMessage),
      ],
    ];
  });
  const headings = [
    "Load",
    "Messages per second",
    "Processor per message",
    "Acknowledgement p50, p99",
    "Disk per message",
  ];
  return markdown([headings, ...rows]);
}

export function connectionsTable({ connections, plain, tls }: ConnectionsReport): string {
  const rows = (
    [
      ["plain", plain],
      ["TLS", tls],
    ] as const
  ).map(([name, { before, memory, ...figures }]) => [
    name,
    megabytes(memory.rssBytes),
    megabytes(memory.anonymousBytes),
    bytes((memory.anonymousBytes - before.anonymousBytes) / connections),
    figures.connectsPerSecond.toFixed(0),
    `${figures.idlePercent.toFixed(1)} %`,
  ]);
  const headings = [`${connections} idle`, "RSS", "Anonymous", "Each", "Connects per second", "Processor"];
  return markdown([headings, ...rows]);
}

export function amqpTable({ in: inward, inAndOut, targets }: AmqpCostReport): string {
  const rows = (
    [
      ["in", inward],
      ["in and out", inAndOut],
    ] as const
  ).map(([name, { messagesPerSecond, cpuMicros, hubMicros }], i) => [
    name,
    thousands(messagesPerSecond),
    `${cpuMicros.toFixed(1)} µs`,
    `${hubMicros.toFixed(1)} µs`,
    ...reached(targets[i]),
  ]);
  const headings = [
    "AMQP",
    "Messages per second",
    "Processor per message",
    "Hub's thread",
    "Must",
    "Reached",
  ];
  return markdown([headings, ...rows]);
}

export function wearTables(report: WearReport): string {
  const figures = [
    ["Lone message, 4 per second", report.lone],
    ["20x100, one module", report.atLoad],
    ["20x100, two modules", report.atLoadTwoModules],
  ] as const;
  const summary = figures.map(([what, wear], i) => [
    what,
    bytes(wear.bytesPerMessage),
    ...reached(report.targets[i]),
  ]);
  const lingers = report.lingers.map((wear) => [
    `${wear.lingerMs} ms`,
    thousands(wear.rate),
    bytes(wear.bytesPerMessage),
    `${milliseconds(wear.ackMicros.p50)}, ${milliseconds(wear.ackMicros.p99)} ms`,
    `${brief(wear.cpuMicrosPerMessage)} µs`,
  ]);
  return [
    markdown([["Message", "Disk per message", "Must", "Reached"], ...summary]),
    markdown([
      [
        "`lingerMs`",
        "Messages per second",
        "Disk per message",
        "Acknowledgement p50, p99",
        "Processor per message",
      ],
      ...lingers,
    ]),
  ].join("\n\n");
}

export function backlogTable(report: BacklogReport): string {
  const { fillMemory: memory, storeBytes } = report;
  const sizes = [storeBytes.empty, storeBytes.filled, storeBytes.drained, storeBytes.filledAgain];
  const { compaction } = report;
  return markdown([
    [`${thousands(report.messages)} messages`, "Measured"],
    ["Taken while the module is away", `${thousands(report.fillPerSecond)} per second`],
    ["Taken once more, after draining", `${thousands(report.secondFillPerSecond)} per second`],
    [
      "Anonymous memory before, halfway, at the end",
      [memory.beforeBytes, memory.halfwayBytes, memory.endBytes].map(megabytes).join(", "),
    ],
    ["Start with the backlog on disk", `${(report.startMs / 1000).toFixed(2)} s`],
    ["Of it, opening the store", `${(report.recoveryMs / 1000).toFixed(2)} s`],
    ["Drained through the module", `${thousands(report.drainPerSecond)} per second`],
    ["Store when empty, filled, drained, filled again", sizes.map(megabytes).join(", ")],
    [
      "Store before and after `compact`",
      `${megabytes(compaction.beforeBytes)}, ${megabytes(compaction.afterBytes)}`,
    ],
  ]);
}

export function disturbanceTable(report: DisturbanceReport): string {
  const row = (what: string, found: Disturbance | null) => [
    what,
    ...(found === null
      ? ["", "", "not measured", ""]
      : [
          String(found.times),
          `${milliseconds(found.undisturbedP99Micros)} ms`,
          `${milliseconds(found.disturbedP99Micros)} ms`,
          `${milliseconds(found.worstP99Micros)} ms`,
        ]),
  ];
  return markdown([
    ["Meanwhile", "Times", "Undisturbed p99", "Disturbed p99", "Worst second"],
    row("a checkpoint", report.checkpoint),
    row("an artifact is verified and started", report.apply),
  ]);
}

export function profileTable(report: ProfileReport): string {
  const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
  const rows = report.threads.map((thread) => [
    thread.thread,
    percent(thread.runningShare),
    percent(thread.waitingShare),
    thousands(thread.switchesPerSecond),
    `${thread.cpuMicrosPerMessage.toFixed(2)} µs`,
  ]);
  const headings = ["Thread", "Running", "Waiting for a processor", "Switches per second", "Per message"];
  return `${report.load}, ${thousands(report.messagesPerSecond)} messages per second\n\n${markdown([headings, ...rows])}`;
}
