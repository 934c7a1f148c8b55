/** Requests about the gateway itself, its deployment, its modules and their logs. */
import { anything, boolean, decodeBody, decodeQuery, integer, text, withDefault } from "../http/fields.ts";
import type { Route } from "../http/server.ts";
import { LOG_LINES_MAX } from "./api.ts";
import type { ManagementBackend } from "./backend.ts";

const PATH_LENGTH_MAX = 4096;

/** What a deployment must be is the agent's to say, as is where it is not. */
const DEPLOYMENT_BODY = {
  deployment: anything,
  baseDir: text(/^\//, PATH_LENGTH_MAX, "it must be an absolute path"),
};
const LOG_QUERY = { lines: withDefault(integer(0, LOG_LINES_MAX), 100), follow: withDefault(boolean, false) };

export const moduleRoutes = (backend: ManagementBackend): readonly Route[] => [
  { method: "GET", path: "/status", handle: async () => ({ json: await backend.status() }) },
  { method: "GET", path: "/modules", handle: async () => ({ json: await backend.modules() }) },
  { method: "GET", path: "/deployment", handle: async () => ({ json: await backend.reported() }) },
  {
    method: "POST",
    path: "/deployment",
    async handle({ body }) {
      const { deployment, baseDir } = decodeBody(body, DEPLOYMENT_BODY);
      return { json: await backend.apply(deployment, baseDir) };
    },
  },
  {
    method: "POST",
    path: "/modules/:name/restart",
    async handle({ params }) {
      await backend.restart(params["name"]!);
      return null;
    },
  },
  {
    method: "GET",
    path: "/modules/:name/logs",
    async handle({ params, query, signal }) {
      const options = decodeQuery(query, LOG_QUERY);
      return { lines: await backend.readLog(params["name"]!, { ...options, signal }) };
    },
  },
];
