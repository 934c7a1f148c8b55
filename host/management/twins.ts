/** Requests about twins and methods: of devices, and of modules wherever they run. */
import type { MethodRequest, TwinChange } from "../../hub/index.ts";
import { anything, boolean, decodeBody, optional, text } from "../http/fields.ts";
import type { Request, Route } from "../http/server.ts";
import type { ManagementBackend } from "./backend.ts";

const ETAG_LENGTH_MAX = 64;
/** What the contract allows is the hub's to check; here a request is bounded and its fields are known. */
const METHOD_NAME_LENGTH_MAX = 1_000;

const NEW_CHANGE = {
  section: text(/^(?:desired|reported|tags)$/, 8, "a section is desired, reported or tags"),
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

/** Each under a device, and under a module of one. */
export const twinRoutes = ({ hub }: ManagementBackend): readonly Route[] =>
  ["/twins/:deviceId", "/twins/:deviceId/modules/:moduleId"].flatMap((path): Route[] => [
    {
      method: "GET",
      path,
      handle: async (request) => ({ json: await hub.twin(...nameIn(request)) }),
    },
    {
      method: "POST",
      path,
      async handle(request) {
        const { section, patch, replaces = false, ifMatch } = decodeBody(request.body, NEW_CHANGE);
        const change = {
          section: section as TwinChange["section"],
          patch,
          replaces,
          ...(ifMatch === undefined ? {} : { ifMatch }),
        };
        return { json: await hub.changeTwin(...nameIn(request), change) };
      },
    },
    {
      method: "POST",
      path: `${path}/methods`,
      async handle(request) {
        const call = decodeBody(request.body, NEW_CALL);
        return { json: await hub.invokeMethod(...nameIn(request), call as MethodRequest) };
      },
    },
  ]);

const nameIn = ({ params }: Request): [deviceId: string, moduleId: string | null] => [
  params["deviceId"]!,
  params["moduleId"] ?? null,
];
