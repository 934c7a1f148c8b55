/** Reading one of the gateway's logs page by page, from where `--tail` or `--from` says. */
import type { Context } from "../command.ts";
import { UsageError } from "../errors.ts";
import { wholeNumber } from "./arguments.ts";

const TAIL_DEFAULT = 20;
const PAGE_ENTRIES = 100;
/** How long the gateway holds a request that has nothing to answer yet. */
const WAIT_MS = 20_000;

export const LOG_OPTIONS = {
  follow: { type: "boolean", short: "f", description: "go on with what comes" },
  tail: { type: "string", short: "n", description: `begin with the last this many (${TAIL_DEFAULT})` },
  from: { type: "string", description: "begin with this offset" },
} as const;

export type LogStart = { readonly tail: number } | { readonly from: number };

/** @throws {UsageError} */
export function logStartOf(values: Context["values"]): LogStart {
  const from = wholeNumber(values, "from", Number.MAX_SAFE_INTEGER);
  const tail = wholeNumber(values, "tail", Number.MAX_SAFE_INTEGER);
  if (from !== undefined && tail !== undefined) {
    throw new UsageError("options --tail and --from: exclude each other");
  }
  return from === undefined ? { tail: tail ?? TAIL_DEFAULT } : { from };
}

/** What every page of a log says beside its entries. */
interface Page {
  readonly next: number;
  readonly oldest: number;
}

export interface LogRead<P> {
  readonly page: P;
  /** Entries between the last page and this one that are not kept any more. */
  readonly missed: number;
}

/**
 * Pages until there are no more, or with `follow` for as long as somebody reads.
 * @param lengthOf entries of a page
 */
export async function* readLogPages<P extends Page>(
  read: (query: LogStart & { readonly limit: number; readonly waitMs: number }) => Promise<P>,
  lengthOf: (page: P) => number,
  start: LogStart,
  follow: boolean,
): AsyncGenerator<LogRead<P>> {
  let query = start;
  for (;;) {
    const page = await read({ ...query, limit: PAGE_ENTRIES, waitMs: follow ? WAIT_MS : 0 });
    if (lengthOf(page) === 0 && !follow) return;
    yield { page, missed: "from" in query ? Math.max(0, page.oldest - query.from) : 0 };
    query = { from: page.next };
  }
}
