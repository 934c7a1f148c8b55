/**
 * What can be wrong with routes. Everything here is found when a deployment arrives, never on a message.
 */
import { SandpiperError } from "../../abi/index.ts";

/** Width of the line shown with a caret; a longer one is cut around the place. */
const EXCERPT_COLUMNS_MAX = 100;
const FOUND_LENGTH_MAX = 32;
/** What an error carries of a query that is too long to be one. */
const QUERY_LENGTH_SHOWN_MAX = 16 * 1024;

export class RouteSyntaxError extends SandpiperError {
  readonly query: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in code points. */
  readonly column: number;

  /**
   * @param offset where in `query` the problem begins, in UTF-16 units
   * @param problem such as `expected INTO`; the place is added here
   * @param options.found the text that stands there instead
   */
  constructor(
    query: string,
    offset: number,
    problem: string,
    options: { readonly found?: string; readonly hint?: string | undefined } = {},
  ) {
    const { line, column } = position(query, offset);
    const shown = query.slice(0, QUERY_LENGTH_SHOWN_MAX);
    const found = options.found === undefined ? "" : `, found ${quote(options.found)}`;
    const details = { line, column, query: shown };
    super(
      "SP_ROUTE_SYNTAX",
      `route query: ${problem} at line ${line}, column ${column}${found}`,
      options.hint === undefined ? { details } : { details, hint: printable(options.hint) },
    );
    this.query = shown;
    this.line = line;
    this.column = column;
  }

  /** The offending line with a caret under the column, for terminals. */
  get excerpt(): string {
    return excerpt(this.query, this.line, this.column);
  }
}

/** The graph of routes leads from a module back to itself, where its lane may not overflow (J22). */
export class RouteCycleError extends SandpiperError {
  constructor(modules: readonly string[], routes: readonly string[]) {
    const path = [...modules, modules[0] ?? ""].join(" -> ");
    super("SP_ROUTE_CYCLE", `routes: cycle ${path} through ${routes.map(quote).join(", ")}`, {
      details: { modules, routes },
      hint: 'remove one of these routes, or let a queue on the way make room ("overflow": "drop_oldest")',
    });
  }
}

function position(query: string, offset: number): { line: number; column: number } {
  const before = query.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: Array.from(before.slice(lineStart)).length + 1 };
}

function quote(text: string): string {
  if (text === "") return "the end";
  const shown = text.length > FOUND_LENGTH_MAX ? `${text.slice(0, FOUND_LENGTH_MAX)}...` : text;
  const mark = shown.includes('"') ? "'" : '"';
  return mark + printable(shown) + mark;
}

/** A query is a stranger's text, and this goes to terminals. */
const printable = (text: string): string => text.replaceAll(/\p{C}/gu, "?");

/**
 * Two lines: the query's line, and a caret under `column`. Made from an error's details alone, so that a
 * reader on the far side of a thread or socket can draw it too.
 */
export function excerpt(query: string, line: number, column: number): string {
  const points = Array.from(query.split("\n")[line - 1] ?? "");
  const caret = column - 1;
  const last = Math.max(0, points.length - EXCERPT_COLUMNS_MAX);
  const from = Math.min(last, Math.max(0, caret - (EXCERPT_COLUMNS_MAX >> 1)));
  const to = from + EXCERPT_COLUMNS_MAX;
  const head = from > 0 ? "..." : "";
  const tail = to < points.length ? "..." : "";
  const text = printable(points.slice(from, to).join("").replaceAll("\t", " "));
  return `${head}${text.trimEnd()}${tail}\n${" ".repeat(head.length + caret - from)}^`;
}
