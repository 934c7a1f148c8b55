/**
 * What an operator does to queues, by the names of their endpoints: looks at dead letters, replays and purges
 * them, taps. A name that does not exist is refused with those that do.
 */
import { SandpiperError } from "../../abi/index.ts";
import { DEAD_LETTER_PREFIX } from "../endpoints/endpoint.ts";
import type { Engine } from "../engine.ts";
import { deadLetter } from "./events.ts";
import type { DeadLetter, LetterPlace, Replayed } from "../face.ts";
import type { Lane } from "../journal/lane.ts";
import { replay } from "./replay.ts";

/** Names that a refusal lists. */
const NAMES_LISTED_MAX = 20;

interface Which {
  readonly endpoint: string;
  /** Absent = all of them. */
  readonly offset?: number | undefined;
}

/** Letters from a place on, over one endpoint or all of them, by name. @throws SP_ENDPOINT_UNKNOWN */
export function listDeadLetters(
  engine: Engine,
  query: {
    readonly endpoint?: string | undefined;
    readonly from?: LetterPlace | undefined;
    readonly limit: number;
  },
): { readonly letters: readonly DeadLetter[]; readonly next: LetterPlace | null } {
  const { endpoint: only, from, limit } = query;
  if (only !== undefined) logOf(engine, only);
  const { deadLetters, sources } = engine;
  const letters: DeadLetter[] = [];
  for (const [endpoint, log] of deadLetters.logs()) {
    if ((only !== undefined && endpoint !== only) || (from !== undefined && endpoint < from.endpoint))
      continue;
    const start = from?.endpoint === endpoint ? from.offset : 0;
    const lane = log.lane(0);
    const page = deadLetters.read(lane, start, limit - letters.length, (block, at, offset) =>
      deadLetter(block, at, offset, sources),
    );
    letters.push(...page.entries);
    // Full, or as many bytes as one page may have: there is more, or there may be.
    if (letters.length >= limit || page.next < lane.durable) {
      return { letters, next: { endpoint, offset: page.next } };
    }
  }
  return { letters, next: null };
}

/** @throws SP_ENDPOINT_UNKNOWN, SP_DEAD_LETTER_UNKNOWN */
export function findDeadLetter(engine: Engine, { endpoint, offset }: LetterPlace): DeadLetter {
  const lane = logOf(engine, endpoint);
  const [found] =
    lane === null
      ? []
      : engine.deadLetters.read(lane, offset, 1, (block, at, place) =>
          place === offset ? deadLetter(block, at, place, engine.sources) : null,
        ).entries;
  if (!found) throw unknownLetter(endpoint, offset);
  return found;
}

/** Durable when it resolves. @throws SP_ENDPOINT_UNKNOWN, SP_DEAD_LETTER_UNKNOWN */
export async function replayDeadLetters(engine: Engine, { endpoint, offset }: Which): Promise<Replayed> {
  if (offset !== undefined) findDeadLetter(engine, { endpoint, offset });
  const lane = logOf(engine, endpoint);
  if (lane === null) return { replayed: 0, refused: 0, refusals: {} };
  const range =
    offset === undefined
      ? { from: lane.cursor.offset, until: lane.durable }
      : { from: offset, until: offset + 1 };
  return replay(engine, endpoint, lane, range);
}

/** Durable when it resolves. @throws SP_ENDPOINT_UNKNOWN, SP_DEAD_LETTER_UNKNOWN */
export async function purgeDeadLetters(
  engine: Engine,
  { endpoint, offset }: Which,
): Promise<{ readonly purged: number }> {
  const lane = logOf(engine, endpoint);
  let purged = 0;
  if (offset !== undefined) {
    if (lane === null || !engine.deadLetters.remove(lane, offset)) throw unknownLetter(endpoint, offset);
    purged = 1;
  } else if (lane !== null) purged = engine.deadLetters.clear(lane);
  engine.journal.step();
  engine.stepped();
  await engine.journal.durable();
  return { purged };
}

/** @throws SP_ENDPOINT_UNKNOWN, SP_TAPS_MAX */
export function openTap(
  engine: Engine,
  { endpoint, perSecond }: { readonly endpoint: string; readonly perSecond: number },
): { readonly tap: number } {
  if (engine.endpoints.find(endpoint) === undefined) throw unknownEndpoint(engine, endpoint);
  return { tap: engine.taps.open(endpoint, perSecond) };
}

/** The log of an endpoint's letters, or `null` when it never had any. @throws SP_ENDPOINT_UNKNOWN */
function logOf(engine: Engine, endpoint: string): Lane | null {
  const lane = engine.deadLetters.laneOf(endpoint);
  if (lane === null && engine.endpoints.find(endpoint) === undefined) throw unknownEndpoint(engine, endpoint);
  return lane;
}

function unknownEndpoint(engine: Engine, endpoint: string): SandpiperError {
  const names = new Set([...engine.endpoints.all()].map(({ name }) => baseName(name)));
  const known = [...names].sort();
  const listed = known.slice(0, NAMES_LISTED_MAX).join(", ");
  const more = known.length > NAMES_LISTED_MAX ? `, and ${known.length - NAMES_LISTED_MAX} more` : "";
  return new SandpiperError("SP_ENDPOINT_UNKNOWN", `endpoint "${endpoint}": there is none`, {
    hint: `there are: ${listed}${more}`,
    details: { endpoint, known: known.slice(0, NAMES_LISTED_MAX) },
  });
}

const baseName = (name: string): string =>
  name.startsWith(DEAD_LETTER_PREFIX) ? name.slice(DEAD_LETTER_PREFIX.length) : name;

const unknownLetter = (endpoint: string, offset: number): SandpiperError =>
  new SandpiperError("SP_DEAD_LETTER_UNKNOWN", `dead letter "${endpoint}" ${offset}: there is none`, {
    hint: "it may have been replayed or purged, or given up to make room; see: sandpiper dlq list",
    details: { endpoint, offset },
  });
