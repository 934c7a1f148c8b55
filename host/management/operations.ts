/** Everything that the management API can be asked. */
import { DEVICEBOUND_OPERATIONS } from "./devicebound.ts";
import { DEVICE_OPERATIONS } from "./devices.ts";
import { MESSAGE_OPERATIONS } from "./messages.ts";
import { MODULE_OPERATIONS } from "./modules.ts";
import { answers, operation, type Operation } from "./operation.ts";
import { anyObject } from "../http/schema.ts";
import { TWIN_OPERATIONS } from "./twins.ts";

export const OPERATIONS: readonly Operation[] = [
  ...MODULE_OPERATIONS,
  ...DEVICE_OPERATIONS,
  ...TWIN_OPERATIONS,
  ...DEVICEBOUND_OPERATIONS,
  ...MESSAGE_OPERATIONS,
  operation({
    method: "GET",
    path: "/openapi.json",
    id: "getDocument",
    tag: "gateway",
    summary: "this description",
    answer: answers(anyObject),
    async handle({ version }) {
      const { openApiDocument } = await import("./openapi.ts");
      return openApiDocument(OPERATIONS, version);
    },
  }),
];
