/** Requests about the gateway itself, its deployment, its modules and their logs. */
import { EVENTS_LIMIT_MAX, EVENTS_WAIT_MS_MAX, LOG_LINES_MAX } from "./api.ts";
import { anything, boolean, integer, text, withDefault } from "../http/fields.ts";
import { moduleId } from "./ids.ts";
import { answers, answersLines, answersNothing, operation, type Operation } from "./operation.ts";
import { anyObject, list, string } from "../http/schema.ts";
import {
  ACTIVITY_PAGE,
  DEPLOYMENT_STATUS,
  GATEWAY_STATUS,
  MODULE_ENVIRONMENT,
  MODULE_VIEW,
} from "./views.ts";

const PATH_LENGTH_MAX = 4096;
const MODULE_NAME_LENGTH_MAX = 256;

const name = text(/./, MODULE_NAME_LENGTH_MAX, "the name of a module in the deployment");

export const MODULE_OPERATIONS: readonly Operation[] = [
  operation({
    method: "GET",
    path: "/status",
    id: "getStatus",
    tag: "gateway",
    summary: "how the gateway is doing",
    answer: answers(GATEWAY_STATUS),
    handle: (backend) => backend.status(),
  }),
  operation({
    method: "GET",
    path: "/activity",
    id: "readActivity",
    tag: "gateway",
    summary: "what has happened since the gateway started; waits for something when there is nothing new",
    query: {
      from: withDefault(integer(0, Number.MAX_SAFE_INTEGER), 0),
      limit: withDefault(integer(1, EVENTS_LIMIT_MAX), 100),
      waitMs: withDefault(integer(0, EVENTS_WAIT_MS_MAX), 0),
    },
    answer: answers(ACTIVITY_PAGE),
    handle: (backend, { query, signal }) => backend.activity({ ...query, signal }),
  }),
  operation({
    method: "GET",
    path: "/modules",
    id: "listModules",
    tag: "modules",
    summary: "the modules of the deployment, and what they are doing",
    answer: answers(list(MODULE_VIEW)),
    handle: (backend) => backend.modules(),
  }),
  operation({
    method: "GET",
    path: "/deployment",
    id: "getDeployment",
    tag: "modules",
    summary: "what the agent reports: the reported properties of $edgeAgent",
    answer: answers(anyObject),
    handle: (backend) => backend.reported(),
  }),
  operation({
    method: "POST",
    path: "/deployment",
    id: "applyDeployment",
    tag: "modules",
    summary: "bring a deployment about, all or nothing; one that was refused is an answer as well",
    body: {
      /** What a deployment must be is the agent's to say, as is where it is not. */
      deployment: anything,
      baseDir: text(/^\//, PATH_LENGTH_MAX, "the absolute path that relative file: images start from"),
    },
    answer: answers(DEPLOYMENT_STATUS),
    handle: (backend, { body }) => backend.apply(body.deployment, body.baseDir),
  }),
  operation({
    method: "POST",
    path: "/modules/:name/restart",
    id: "restartModule",
    tag: "modules",
    summary: "start a module anew",
    params: { name },
    answer: answersNothing,
    errors: ["SP_MODULE_UNKNOWN"],
    handle: (backend, { params }) => backend.restart(params.name),
  }),
  operation({
    method: "GET",
    path: "/modules/:moduleId/environment",
    id: "getModuleEnvironment",
    tag: "modules",
    summary: "what a process that is one of the gateway's modules has to be started with; no secrets",
    params: { moduleId },
    answer: answers(MODULE_ENVIRONMENT),
    errors: ["SP_IDENTITY_UNKNOWN"],
    handle: (backend, { params }) => backend.environment(params.moduleId),
  }),
  operation({
    method: "GET",
    path: "/modules/:name/logs",
    id: "readModuleLog",
    tag: "modules",
    summary: "the last lines of a module's log; with follow, those that come as well",
    params: { name },
    query: { lines: withDefault(integer(0, LOG_LINES_MAX), 100), follow: withDefault(boolean, false) },
    answer: answersLines("text/plain", string),
    errors: ["SP_MODULE_UNKNOWN"],
    handle: (backend, { params, query, signal }) => backend.readLog(params.name, { ...query, signal }),
  }),
];
