/** A table for a terminal: columns as wide as their widest cell, numbers to the right, no frame. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string | number | null;
}

const GAP = "  ";

/** Without a line end. Cells must be one line each: see `printable`. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)));
  const isNumeric = columns.map((_, c) => cells.some((row) => typeof row[c] === "number"));
  const lines = [
    columns.map(({ title }) => title),
    ...cells.map((row) => row.map((cell) => `${cell ?? "-"}`)),
  ];
  const widths = columns.map((_, c) => Math.max(...lines.map((line) => line[c]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, c) => (isNumeric[c] ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)))
        .join(GAP)
        .trimEnd(),
    )
    .join("\n");
}

const UNITS = ["B", "KB", "MB", "GB", "TB"] as const;

/** 1536 -> "1.5 KB" */
export function formatBytes(bytes: number): string {
  let unit = 0;
  for (; bytes >= 1024 && unit < UNITS.length - 1; unit++) bytes /= 1024;
  return `${bytes >= 10 || unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${UNITS[unit]}`;
}

const SECOND_MS = 1000;
const SPANS = [
  [24 * 60 * 60 * SECOND_MS, "d"],
  [60 * 60 * SECOND_MS, "h"],
  [60 * SECOND_MS, "m"],
  [SECOND_MS, "s"],
] as const;

/** The largest unit that fits: "350 ms", "12 s", "3 d". */
export function formatAge(ms: number | null): string | null {
  if (ms === null) return null;
  for (const [span, unit] of SPANS) if (ms >= span) return `${Math.floor(ms / span)} ${unit}`;
  return `${Math.round(ms)} ms`;
}
