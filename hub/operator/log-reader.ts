/** Reading a log from outside: a page at once, or as soon as there is something. */
import type { Block } from "../../abi/index.ts";
import { readLog, type LogPage } from "../endpoints/event-log.ts";
import type { Engine } from "../engine.ts";
import type { LogQuery } from "../face.ts";
import type { Lane } from "../journal/lane.ts";

/** Entries one page of a log may have. */
export const PAGE_ENTRIES_MAX = 1_000;
/** How long a reader may wait for something new, ms. */
export const WAIT_MS_MAX = 30_000;

/** Durable entries (J1). Waits when there are none; not for an engine that is closed. */
export async function readWhenNew<T>(
  engine: Engine,
  lane: Lane,
  query: LogQuery,
  read: (block: Block, entryAt: number, offset: number) => T,
): Promise<LogPage<T>> {
  const { from = query.tail === undefined ? 0 : Math.max(0, lane.durable - query.tail) } = query;
  const limit = Math.min(query.limit, PAGE_ENTRIES_MAX);
  const until = performance.now() + Math.min(query.waitMs, WAIT_MS_MAX);
  for (;;) {
    const page = readLog(lane, from, limit, read);
    const left = until - performance.now();
    if (page.entries.length > 0 || left <= 0 || engine.isClosed) return page;
    await engine.nextDurable(left);
  }
}
