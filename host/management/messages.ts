/** Requests about messages: the event log, the queues, the dead letters, taps. */
import type { DeadLetter, EventRecord } from "../../hub/index.ts";
import {
  DEAD_LETTERS_LIMIT_MAX,
  EVENTS_LIMIT_MAX,
  EVENTS_WAIT_MS_MAX,
  parseLetterPlace,
  TAP_PER_SECOND_DEFAULT,
  TAP_PER_SECOND_MAX,
  type DeadLetterView,
  type EventView,
  type TapPageView,
} from "./api.ts";
import type { ManagementBackend } from "./backend.ts";
import { integer, optional, refined, text, withDefault } from "../http/fields.ts";
import { answers, answersLines, operation, type Operation } from "./operation.ts";
import { list } from "../http/schema.ts";
import {
  COMPACTION,
  DEAD_LETTER,
  DEAD_LETTER_PAGE,
  EVENT_PAGE,
  PURGED,
  QUEUE,
  REPLAYED,
  TAP_PAGE,
} from "./views.ts";

type HubFace = ManagementBackend["hub"];

const offset = integer(0, Number.MAX_SAFE_INTEGER);
const ENDPOINT_LENGTH_MAX = 300;
/** How long one look at a tap waits for something, ms: whoever left is noticed after it. */
const TAP_WAIT_MS = 2_000;

const endpoint = text(/./, ENDPOINT_LENGTH_MAX, "an endpoint is <module>/<input>, or $upstream");
const letterPlace = refined(
  text(/^[^]+#\d{1,15}$/, ENDPOINT_LENGTH_MAX, "a place is <endpoint>#<offset>"),
  (place) => parseLetterPlace(place)!,
);

/** What to read of a log: `LogQuery` of the hub. */
export const LOG_QUERY = {
  from: optional(offset),
  tail: optional(offset),
  limit: withDefault(integer(1, EVENTS_LIMIT_MAX), 100),
  waitMs: withDefault(integer(0, EVENTS_WAIT_MS_MAX), 0),
};
const LETTER_PATH = { endpoint, offset };
const UNKNOWN_LETTER = ["SP_ENDPOINT_UNKNOWN", "SP_DEAD_LETTER_UNKNOWN"];

const DEAD_LETTER_OPERATIONS: readonly Operation[] = [
  operation({
    method: "GET",
    path: "/deadletters",
    id: "listDeadLetters",
    tag: "messages",
    summary: "messages that were given up, by endpoint and offset",
    query: {
      endpoint: optional(endpoint),
      from: optional(letterPlace),
      limit: withDefault(integer(1, DEAD_LETTERS_LIMIT_MAX), 100),
    },
    answer: answers(DEAD_LETTER_PAGE),
    errors: ["SP_ENDPOINT_UNKNOWN"],
    async handle({ hub }, { query }) {
      const page = await hub.deadLetters(query);
      return { ...page, letters: page.letters.map(toDeadLetterView) };
    },
  }),
  operation({
    method: "GET",
    path: "/deadletters/:endpoint/:offset",
    id: "getDeadLetter",
    tag: "messages",
    summary: "everything about one of them",
    params: LETTER_PATH,
    answer: answers(DEAD_LETTER),
    errors: UNKNOWN_LETTER,
    handle: async ({ hub }, { params }) => toDeadLetterView(await hub.deadLetter(params)),
  }),
  operation({
    method: "POST",
    path: "/deadletters/:endpoint/replay",
    id: "replayDeadLetters",
    tag: "messages",
    summary: "put one, or without an offset all of an endpoint, back into their queue",
    params: { endpoint },
    body: { offset: optional(offset) },
    answer: answers(REPLAYED),
    errors: UNKNOWN_LETTER,
    handle: ({ hub }, { params, body }) => hub.replayDeadLetters({ ...params, ...body }),
  }),
  operation({
    method: "DELETE",
    path: "/deadletters/:endpoint",
    id: "purgeDeadLetters",
    tag: "messages",
    summary: "delete all of an endpoint",
    params: { endpoint },
    answer: answers(PURGED),
    errors: ["SP_ENDPOINT_UNKNOWN"],
    handle: ({ hub }, { params }) => hub.purgeDeadLetters(params),
  }),
  operation({
    method: "DELETE",
    path: "/deadletters/:endpoint/:offset",
    id: "purgeDeadLetter",
    tag: "messages",
    summary: "delete one",
    params: LETTER_PATH,
    answer: answers(PURGED),
    errors: UNKNOWN_LETTER,
    handle: ({ hub }, { params }) => hub.purgeDeadLetters(params),
  }),
];

export const MESSAGE_OPERATIONS: readonly Operation[] = [
  operation({
    method: "GET",
    path: "/events",
    id: "readMessages",
    tag: "messages",
    summary:
      "messages that reached $upstream, from an offset, or the last few; waits for some when there are none",
    query: LOG_QUERY,
    answer: answers(EVENT_PAGE),
    async handle({ hub }, { query }) {
      const page = await hub.readEvents(query);
      return { ...page, events: page.events.map(toEventView) };
    },
  }),
  operation({
    method: "GET",
    path: "/queues",
    id: "listQueues",
    tag: "messages",
    summary: "what waits, for whom, since when",
    answer: answers(list(QUEUE)),
    handle: ({ hub }) => hub.queues(),
  }),
  ...DEAD_LETTER_OPERATIONS,
  operation({
    method: "GET",
    path: "/taps",
    id: "tap",
    tag: "messages",
    summary: "a live copy of what comes into a queue; one page of JSON a line",
    query: {
      endpoint,
      perSecond: withDefault(integer(1, TAP_PER_SECOND_MAX), TAP_PER_SECOND_DEFAULT),
    },
    answer: answersLines("application/x-ndjson", TAP_PAGE),
    errors: ["SP_ENDPOINT_UNKNOWN", "SP_TAPS_MAX"],
    async handle({ hub }, { query, signal }) {
      const { tap } = await hub.openTap(query);
      return tapLines(hub, tap, signal);
    },
  }),
  operation({
    method: "POST",
    path: "/compact",
    id: "compact",
    tag: "gateway",
    summary: "give the room of what was consumed back to the disk",
    answer: answers(COMPACTION),
    errors: ["SP_COMPACT_NO_ROOM", "SP_COMPACT_FAILED"],
    handle: ({ hub }) => hub.compact(),
  }),
];

/** A page a line, until whoever asked is gone. If nobody ever reads, the hub closes the tap by itself. */
async function* tapLines(hub: HubFace, tap: number, signal: AbortSignal): AsyncGenerator<string> {
  try {
    while (!signal.aborted) {
      const { events, skipped } = await hub.readTap({ tap, waitMs: TAP_WAIT_MS });
      if (events.length === 0 && skipped === 0) continue;
      yield JSON.stringify({ events: events.map(toEventView), skipped } satisfies TapPageView);
    }
  } finally {
    await hub.closeTap(tap).catch(() => undefined); // without a hub there is no tap either
  }
}

export const toEventView = ({ body, ...rest }: EventRecord): EventView => ({
  ...rest,
  bodyBase64: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("base64"),
});

const toDeadLetterView = ({ message, ...rest }: DeadLetter): DeadLetterView => ({
  ...rest,
  message: toEventView(message),
});
