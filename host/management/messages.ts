/** Requests about messages: the event log, the queues, the dead letters, taps. */
import type { DeadLetter, EventRecord, LetterPlace } from "../../hub/index.ts";
import {
  decodeBody,
  decodePath,
  decodeQuery,
  integer,
  optional,
  text,
  withDefault,
  type Field,
} from "../http/fields.ts";
import { RequestError, type Route } from "../http/server.ts";
import {
  DEAD_LETTERS_LIMIT_MAX,
  EVENTS_LIMIT_MAX,
  EVENTS_WAIT_MS_MAX,
  parseLetterPlace,
  TAP_PER_SECOND_DEFAULT,
  TAP_PER_SECOND_MAX,
  type DeadLetterPageView,
  type DeadLetterView,
  type EventPageView,
  type EventView,
  type TapPageView,
} from "./api.ts";
import type { ManagementBackend } from "./backend.ts";

type HubFace = ManagementBackend["hub"];

const offset = integer(0, Number.MAX_SAFE_INTEGER);
const ENDPOINT_LENGTH_MAX = 300;
/** How long one look at a tap waits for something, ms: whoever left is noticed after it. */
const TAP_WAIT_MS = 2_000;

const endpoint = text(/./, ENDPOINT_LENGTH_MAX, "an endpoint is <module>/<input>, or $upstream");
const letterPlace: Field<LetterPlace> = (value, name) => {
  const place = parseLetterPlace(endpoint(value, name));
  if (place !== null) return place;
  throw new RequestError(400, `${name} is not a place`, "a place is <endpoint>#<offset>");
};

const EVENT_QUERY = {
  from: optional(offset),
  tail: optional(offset),
  limit: withDefault(integer(1, EVENTS_LIMIT_MAX), 100),
  waitMs: withDefault(integer(0, EVENTS_WAIT_MS_MAX), 0),
};
const DEAD_LETTER_QUERY = {
  endpoint: optional(endpoint),
  from: optional(letterPlace),
  limit: withDefault(integer(1, DEAD_LETTERS_LIMIT_MAX), 100),
};

const LETTER_PATH = { endpoint, offset };
const LETTERS_PATH = { endpoint };
const REPLAY_BODY = { offset: optional(offset) };
const TAP_QUERY = {
  endpoint,
  perSecond: withDefault(integer(1, TAP_PER_SECOND_MAX), TAP_PER_SECOND_DEFAULT),
};

export const messageRoutes = ({ hub }: ManagementBackend): readonly Route[] => [
  {
    method: "GET",
    path: "/events",
    async handle({ query }) {
      const { from, tail, limit, waitMs } = decodeQuery(query, EVENT_QUERY);
      const start = from ?? (tail === undefined ? 0 : await tailOffset(hub, tail));
      const page = await hub.readEvents({ from: start, limit, waitMs });
      return { json: { ...page, events: page.events.map(toEventView) } satisfies EventPageView };
    },
  },
  { method: "GET", path: "/queues", handle: async () => ({ json: await hub.queues() }) },
  {
    method: "GET",
    path: "/deadletters",
    async handle({ query }) {
      const page = await hub.deadLetters(decodeQuery(query, DEAD_LETTER_QUERY));
      return { json: { ...page, letters: page.letters.map(toDeadLetterView) } satisfies DeadLetterPageView };
    },
  },
  {
    method: "GET",
    path: "/deadletters/:endpoint/:offset",
    async handle({ params }) {
      return { json: toDeadLetterView(await hub.deadLetter(decodePath(params, LETTER_PATH))) };
    },
  },
  {
    method: "POST",
    path: "/deadletters/:endpoint/replay",
    async handle({ params, body }) {
      const which = { ...decodePath(params, LETTERS_PATH), ...decodeBody(body, REPLAY_BODY) };
      return { json: await hub.replayDeadLetters(which) };
    },
  },
  {
    method: "DELETE",
    path: "/deadletters/:endpoint",
    async handle({ params }) {
      return { json: await hub.purgeDeadLetters(decodePath(params, LETTERS_PATH)) };
    },
  },
  {
    method: "DELETE",
    path: "/deadletters/:endpoint/:offset",
    async handle({ params }) {
      return { json: await hub.purgeDeadLetters(decodePath(params, LETTER_PATH)) };
    },
  },
  {
    method: "GET",
    path: "/taps",
    async handle({ query, signal }) {
      const { tap } = await hub.openTap(decodeQuery(query, TAP_QUERY));
      return { lines: tapLines(hub, tap, signal) };
    },
  },
  { method: "POST", path: "/compact", handle: async () => ({ json: await hub.compact() }) },
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

/** Where the last `count` events begin. The log may move on meanwhile: by a few events, either way. */
async function tailOffset(hub: HubFace, count: number): Promise<number> {
  const { oldest } = await hub.readEvents({ from: 0, limit: 1, waitMs: 0 });
  const log = (await hub.queues()).find(({ kind }) => kind === "upstream");
  return Math.max(oldest, oldest + (log?.length ?? 0) - count);
}

const toEventView = ({ body, ...rest }: EventRecord): EventView => ({
  ...rest,
  bodyBase64: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("base64"),
});

const toDeadLetterView = ({ message, ...rest }: DeadLetter): DeadLetterView => ({
  ...rest,
  message: toEventView(message),
});
