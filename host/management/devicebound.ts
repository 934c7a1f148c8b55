/** Requests about cloud-to-device messages: what is sent to a device, what waits for it, what became of it. */
import type { DeviceboundMessage, DeviceboundWaiting } from "../../hub/index.ts";
import { anything, optional, text } from "../http/fields.ts";
import { list } from "../http/schema.ts";
import type { DeviceboundWaitingView } from "./api.ts";
import { LOG_QUERY, toEventView } from "./messages.ts";
import { answers, operation, type Operation } from "./operation.ts";
import { DEVICEBOUND_SENT, DEVICEBOUND_WAITING, FEEDBACK_PAGE, PURGED } from "./views.ts";

/** A message of 64 KB as base64, and more: what is too large is the hub's to say. */
const BODY_CHARACTERS_MAX = 1024 * 1024;
const NAME_LENGTH_MAX = 257;

/** That a module is none is the hub's to say, too. */
const deviceId = text(/./, NAME_LENGTH_MAX, "the id of a device");
const UNKNOWN_DEVICE = ["SP_IDENTITY_UNKNOWN", "SP_C2D_MODULE"];

/** What the contract allows in the others is the hub's to check. */
const NEW_MESSAGE = {
  bodyBase64: text(/^[A-Za-z0-9+/]*={0,2}$/, BODY_CHARACTERS_MAX, "a body is base64"),
  messageId: optional(anything),
  correlationId: optional(anything),
  userId: optional(anything),
  contentType: optional(anything),
  contentEncoding: optional(anything),
  properties: optional(anything),
  ack: optional(anything),
  timeToLiveSecs: optional(anything),
  expiry: optional(anything),
};

export const DEVICEBOUND_OPERATIONS: readonly Operation[] = [
  operation({
    method: "POST",
    path: "/devices/:deviceId/messages",
    id: "sendToDevice",
    tag: "messages",
    summary: "send a message to a device, where it waits until it is taken; on disk when it is answered",
    params: { deviceId },
    body: NEW_MESSAGE,
    answer: answers(DEVICEBOUND_SENT, 201),
    errors: ["SP_C2D_MESSAGE", "SP_C2D_FULL", ...UNKNOWN_DEVICE],
    handle({ hub }, { params, body: { bodyBase64, ...rest } }) {
      const given = Object.entries(rest).filter(([, value]) => value !== undefined);
      const message = { ...Object.fromEntries(given), body: Buffer.from(bodyBase64, "base64") };
      return hub.sendDevicebound(params.deviceId, message as DeviceboundMessage);
    },
  }),
  operation({
    method: "GET",
    path: "/devices/:deviceId/messages",
    id: "listMessagesToDevice",
    tag: "messages",
    summary: "what waits for a device, oldest first",
    params: { deviceId },
    answer: answers(list(DEVICEBOUND_WAITING)),
    errors: UNKNOWN_DEVICE,
    handle: async ({ hub }, { params }) => (await hub.devicebound(params.deviceId)).map(toView),
  }),
  operation({
    method: "DELETE",
    path: "/devices/:deviceId/messages",
    id: "purgeMessagesToDevice",
    tag: "messages",
    summary: "give up all that waits for a device",
    params: { deviceId },
    answer: answers(PURGED),
    errors: UNKNOWN_DEVICE,
    handle: ({ hub }, { params }) => hub.purgeDevicebound(params.deviceId),
  }),
  operation({
    method: "GET",
    path: "/feedback",
    id: "readFeedback",
    tag: "messages",
    summary: "what became of messages whose senders asked; waits for some when there is none",
    query: LOG_QUERY,
    answer: answers(FEEDBACK_PAGE),
    handle: ({ hub }, { query }) => hub.readFeedback(query),
  }),
];

const toView = ({ message, ...rest }: DeviceboundWaiting): DeviceboundWaitingView => ({
  ...rest,
  message: toEventView(message),
});
