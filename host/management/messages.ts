/** Requests about messages: the event log, the queues, the dead letters. */
import type { FastifyInstance } from "fastify";
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

type HubFace = ManagementBackend["hub"];
type EventQuery = { from?: number; tail?: number; limit: number; waitMs: number };

export function messageRoutes(app: FastifyInstance, { hub }: ManagementBackend): void {
  app.get<{ Querystring: EventQuery }>(
    "/events",
    { schema: { querystring: EVENT_QUERY } },
    async ({ query: { from, tail, limit, waitMs } }): Promise<EventPageView> => {
      const start = from ?? (tail === undefined ? 0 : await tailOffset(hub, tail));
      const page = await hub.readEvents({ from: start, limit, waitMs });
      return { events: page.events.map(toEventView), next: page.next, oldest: page.oldest };
    },
  );

  app.get("/queues", () => hub.queues());

  app.get<{ Querystring: { endpoint?: string; from: number; limit: number } }>(
    "/deadletters",
    { schema: { querystring: DEAD_LETTER_QUERY } },
    async ({ query }): Promise<DeadLetterPageView> => {
      const page = await hub.deadLetters(query);
      return { letters: page.letters.map(toDeadLetterView), next: page.next };
    },
  );
}

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

const offset = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
const limit = (maximum: number) => ({ type: "integer", minimum: 1, maximum, default: 100 }) as const;

const EVENT_QUERY = {
  type: "object",
  additionalProperties: false,
  properties: {
    from: offset,
    tail: offset,
    limit: limit(EVENTS_LIMIT_MAX),
    waitMs: { type: "integer", minimum: 0, maximum: EVENTS_WAIT_MS_MAX, default: 0 },
  },
} as const;

const DEAD_LETTER_QUERY = {
  type: "object",
  additionalProperties: false,
  properties: {
    endpoint: { type: "string", minLength: 1, maxLength: 300 },
    from: { ...offset, default: 0 },
    limit: limit(DEAD_LETTERS_LIMIT_MAX),
  },
} as const;
