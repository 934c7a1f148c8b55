/** Requests about messages: the event log, the queues, the dead letters. */
import type { DeadLetter, EventRecord } from "../../hub/index.ts";
import {
  DEAD_LETTERS_LIMIT_MAX,
  EVENTS_LIMIT_MAX,
  EVENTS_WAIT_MS_MAX,
  type DeadLetterPageView,
  type DeadLetterView,
  type EventPageView,
  type EventView,
} from "./api.ts";
import type { ManagementBackend } from "./backend.ts";
import { decodeQuery, integer, optional, text, withDefault } from "./fields.ts";
import type { Route } from "./http.ts";

type HubFace = ManagementBackend["hub"];

const offset = integer(0, Number.MAX_SAFE_INTEGER);
const ENDPOINT_LENGTH_MAX = 300;

const EVENT_QUERY = {
  from: optional(offset),
  tail: optional(offset),
  limit: withDefault(integer(1, EVENTS_LIMIT_MAX), 100),
  waitMs: withDefault(integer(0, EVENTS_WAIT_MS_MAX), 0),
};
const DEAD_LETTER_QUERY = {
  endpoint: optional(text(/./, ENDPOINT_LENGTH_MAX, "an endpoint is <module>/<input>")),
  from: withDefault(offset, 0),
  limit: withDefault(integer(1, DEAD_LETTERS_LIMIT_MAX), 100),
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
      const { endpoint, ...range } = decodeQuery(query, DEAD_LETTER_QUERY);
      const page = await hub.deadLetters(endpoint === undefined ? range : { endpoint, ...range });
      return { json: { ...page, letters: page.letters.map(toDeadLetterView) } satisfies DeadLetterPageView };
    },
  },
];

/** Where the last `count` events begin. The log may move on meanwhile: by a few events, either way. */
async function tailOffset(hub: HubFace, count: number): Promise<number> {
  const { oldest } = await hub.readEvents({ from: 0, limit: 1, waitMs: 0 });
  const log = (await hub.queues()).find(({ consumer }) => consumer === "log");
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
