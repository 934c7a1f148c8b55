/** Requests about twins and methods: of devices, and of modules wherever they run. */
import type { MethodRequest } from "../../hub/index.ts";
import { anything, boolean, oneOf, optional, text, type Fields } from "../http/fields.ts";
import { deviceId, moduleId, namesIn } from "./ids.ts";
import { answers, operation, type Operation } from "./operation.ts";
import { METHOD_RESULT, TWIN_VIEW } from "./views.ts";

const ETAG_LENGTH_MAX = 64;
/** What the contract allows is the hub's to check; here a request is bounded and its fields are known. */
const METHOD_NAME_LENGTH_MAX = 1_000;

const NEW_CHANGE = {
  section: oneOf("desired", "reported", "tags"),
  patch: anything,
  replaces: optional(boolean),
  ifMatch: optional(text(/./, ETAG_LENGTH_MAX, "it is the etag of a twin")),
};
const NEW_CALL = {
  methodName: text(/./, METHOD_NAME_LENGTH_MAX, "it is the name of a method"),
  payload: optional(anything),
  responseTimeoutInSeconds: optional(anything),
  connectTimeoutInSeconds: optional(anything),
};

const METHOD_ERRORS = [
  "SP_METHOD_REQUEST",
  "SP_METHOD_OFFLINE",
  "SP_METHOD_TIMEOUT",
  "SP_METHOD_RESULT",
  "SP_METHOD_BUSY",
];

/** Each under a device, and under a module of one. */
const operationsOf = (path: string, owner: string, params: Fields): readonly Operation[] => [
  operation({
    method: "GET",
    path,
    id: `get${owner}Twin`,
    tag: "twins and methods",
    summary: "a twin: tags, desired and reported properties with their metadata",
    params,
    answer: answers(TWIN_VIEW),
    errors: ["SP_TWIN_UNKNOWN"],
    handle: ({ hub }, request) => hub.twin(...nameIn(request)),
  }),
  operation({
    method: "POST",
    path,
    id: `change${owner}Twin`,
    tag: "twins and methods",
    summary: "merge a patch into a section of a twin, or replace the section; on disk when it is answered",
    params,
    body: NEW_CHANGE,
    answer: answers(TWIN_VIEW),
    errors: ["SP_TWIN_UNKNOWN", "SP_TWIN_INVALID", "SP_TWIN_ETAG", "SP_TWIN_BUSY"],
    handle({ hub }, request) {
      const { section, patch, replaces = false, ifMatch } = request.body;
      const change = { section, patch, replaces, ...(ifMatch === undefined ? {} : { ifMatch }) };
      return hub.changeTwin(...nameIn(request), change);
    },
  }),
  operation({
    method: "POST",
    path: `${path}/methods`,
    id: `invoke${owner}Method`,
    tag: "twins and methods",
    summary: "call a direct method and wait for its result",
    params,
    body: NEW_CALL,
    answer: answers(METHOD_RESULT),
    errors: METHOD_ERRORS,
    handle: ({ hub }, request) => hub.invokeMethod(...nameIn(request), request.body as MethodRequest),
  }),
];

export const TWIN_OPERATIONS: readonly Operation[] = [
  ...operationsOf("/twins/:deviceId", "Device", { deviceId }),
  ...operationsOf("/twins/:deviceId/modules/:moduleId", "Module", { deviceId, moduleId }),
];

const nameIn = ({ params }: { readonly params: Readonly<Record<string, unknown>> }) => {
  const { deviceId: device, moduleId: module = null } = namesIn(params);
  return [device, module] as const;
};
