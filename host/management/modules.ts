/** Requests about the gateway itself, its deployment, its modules and their logs. */
import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { LOG_LINES_MAX } from "./api.ts";
import type { ManagementBackend } from "./backend.ts";

const LOG_LINES_DEFAULT = 100;

export function moduleRoutes(app: FastifyInstance, backend: ManagementBackend, closing: AbortSignal): void {
  app.get("/status", () => backend.status());
  app.get("/modules", () => backend.modules());
  app.get("/deployment", () => backend.reported());

  app.post<{ Body: { deployment: object; baseDir: string } }>(
    "/deployment",
    { schema: { body: DEPLOYMENT_BODY } },
    ({ body }) => backend.apply(body.deployment, body.baseDir),
  );

  app.post<{ Params: { name: string } }>("/modules/:name/restart", async ({ params }, reply) => {
    await backend.restart(params.name);
    return reply.code(204).send();
  });

  app.get<{ Params: { name: string }; Querystring: { lines: number; follow: boolean } }>(
    "/modules/:name/logs",
    { schema: { querystring: LOG_QUERY } },
    async (request, reply) => {
      const gone = new AbortController();
      reply.raw.once("close", () => gone.abort());
      const signal = AbortSignal.any([gone.signal, closing]);
      const lines = await backend.readLog(request.params.name, { ...request.query, signal });
      return reply.type("text/plain; charset=utf-8").send(Readable.from(terminated(lines)));
    },
  );
}

async function* terminated(lines: AsyncIterable<string>): AsyncIterable<string> {
  for await (const line of lines) yield `${line}\n`;
}

const DEPLOYMENT_BODY = {
  type: "object",
  additionalProperties: false,
  required: ["deployment", "baseDir"],
  properties: {
    deployment: { type: "object" },
    baseDir: { type: "string", pattern: "^/", maxLength: 4096 },
  },
} as const;

const LOG_QUERY = {
  type: "object",
  additionalProperties: false,
  properties: {
    lines: { type: "integer", minimum: 0, maximum: LOG_LINES_MAX, default: LOG_LINES_DEFAULT },
    follow: { type: "boolean", default: false },
  },
} as const;
