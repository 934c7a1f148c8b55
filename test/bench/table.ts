/** Reports for people: one aligned table, one line per target. Pure. */
import type { Absolute, EndToEndReport } from "./end-to-end.ts";
import { LOAD_NAMES, type LoadName } from "./loads.ts";
import { YARDSTICKS, type Verdict, type Yardstick } from "./targets.ts";

const HEADINGS = [
  "load",
  "server",
  "msg/s",
  "sandpiper is",
  "cpu µs/msg",
  "ack p50 µs",
  "ack p99",
  "e2e p50 µs",
  "e2e p99",
  "disk B/msg",
];

export function endToEndTable(report: EndToEndReport): string {
  const rows = LOAD_NAMES.flatMap((load) =>
    Object.entries(report.absolute).flatMap(([peer, figures]) => {
      const absolute = figures[load];
      return absolute === undefined ? [] : [[load, peer, ...cells(absolute, ratioCell(report, peer, load))]];
    }),
  );
  return aligned([HEADINGS, ...rows], "llrlrrrrrr");
}

function cells(a: Absolute, ratio: string): string[] {
  const whole = (n: number) => n.toFixed(0);
  return [
    whole(a.messagesPerSecond),
    ratio,
    a.cpuMicrosPerMessage.toFixed(1),
    whole(a.ackMicros.p50),
    whole(a.ackMicros.p99),
    whole(a.endToEndMicros.p50),
    whole(a.endToEndMicros.p99),
    whole(a.diskBytesPerMessage),
  ];
}

/** As "4.21x (3.98-4.40)". */
function ratioCell(report: EndToEndReport, peer: string, load: LoadName): string {
  if (load === "paced" || !(YARDSTICKS as readonly string[]).includes(peer)) return "";
  const ratio = report.ratios[peer as Yardstick][load];
  const range = report.spread[peer as Yardstick][load];
  return ratio === null || range === null
    ? ""
    : `${ratio.toFixed(2)}x (${range.map((r) => r.toFixed(2)).join("-")})`;
}

/** Columns padded to the left or right, as `sides` says with one letter each: "llrr". */
export function aligned(rows: readonly (readonly string[])[], sides: string): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const cell = (text: string, column: number) =>
    sides[column] === "l" ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}

export function verdictLines(verdicts: readonly Verdict[]): string {
  return aligned(
    verdicts.map((v) => [
      `row ${v.row}`,
      v.figure,
      v.value === null ? "-" : quantity(v.value, v.unit),
      `${v.direction} ${quantity(v.must, v.unit)}`,
      v.stretch === undefined ? "" : `(${quantity(v.stretch, v.unit)})`,
      v.verdict,
    ]),
    "llrlll",
  );
}

function quantity(value: number, unit: Verdict["unit"]): string {
  if (unit === "x") return `${value.toFixed(2)}x`;
  return `${unit === "MB" || unit === "ms" ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}
