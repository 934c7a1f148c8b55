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

/** The same in `charactersMax`: what is too much is cut out of the middle of the first column. */
export function fitTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  charactersMax: number,
): string {
  const [first, ...rest] = columns;
  const table = formatTable(columns, rows);
  const widest = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));
  const over = widest(table) - charactersMax;
  if (first === undefined || over <= 0) return table;
  const widths = rows.map((row) => `${first.cell(row) ?? "-"}`.length);
  const room = Math.max(FIRST_CHARACTERS_MIN, Math.max(...widths) - over);
  const cell = (row: Row): string => cutMiddle(`${first.cell(row) ?? "-"}`, room);
  return formatTable([{ ...first, cell }, ...rest], rows);
}

/** Beginning and end of a name say more than its middle. */
function cutMiddle(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const kept = charactersMax - CUT.length;
  const head = Math.ceil(kept / 2);
  return `${text.slice(0, head)}${CUT}${text.slice(text.length - (kept - head))}`;
}

const FIRST_CHARACTERS_MIN = 12;
const CUT = "..";

/** "0", "<0.1", "0.3", "12": enough to see what goes on. */
export function formatRate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 0.05) return "<0.1";
  return perSecond === 0 || perSecond >= 9.95 ? `${Math.round(perSecond)}` : perSecond.toFixed(1);
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
