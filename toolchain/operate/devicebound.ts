/** `sandpiper c2d send|list|purge`: messages to a device, which wait for it. */
import type { DeviceboundWaitingView, NewDeviceboundMessage } from "../../host/index.ts";
import type { Command, Context } from "../command.ts";
import { onlyPositional, stringOption } from "../develop/arguments.ts";
import { UsageError } from "../errors.ts";
import { readBytes } from "../files.ts";
import { oneOf, wholeNumber } from "./arguments.ts";
import { isDeletionMeant, YES_OPTION } from "./confirmation.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { readJsonArgument } from "./json-argument.ts";
import { formatBody, printable, toJsonEvent } from "./message-text.ts";
import { formatAge, formatBytes, formatTable, type Column } from "./table.ts";

/** As the gateway has them: contract §9. */
const ACKS = ["none", "positive", "negative", "full"] as const;
const TTL_SECS = { min: 60, max: 2 * 24 * 3600 } as const;
/** A larger file is refused before it is read. */
const BODY_BYTES_MAX = 64 * 1024;
const BODY_CHARACTERS = 40;

export const deviceboundSendCommand: Command = {
  name: "c2d send",
  group: "operate",
  summary: "send a message to a device; it waits there until the device takes it, or it expires",
  usage:
    "sandpiper c2d send <device> (<text> | --file <file>) [--message-id <id>] [--correlation-id <id>] " +
    "[--content-type <type>] [--content-encoding <encoding>] [--properties <json or file>] [--ack <which>] " +
    "[--ttl <seconds> | --expiry <time>] [--dir <folder>] [--json]",
  example: `sandpiper c2d send thermo1 '{"valve":"open"}' --content-type application/json --ack full --ttl 600`,
  options: {
    ...DIR_OPTION,
    file: { type: "string", description: "the message is what this file holds" },
    "message-id": {
      type: "string",
      description: "by which feedback names it; without, the gateway makes one",
    },
    "correlation-id": { type: "string", description: "for the device" },
    "content-type": { type: "string", description: "for the device, like application/json" },
    "content-encoding": { type: "string", description: "for the device, like utf-8" },
    properties: { type: "string", description: "an object of texts, as JSON or a file of it" },
    ack: { type: "string", description: `of what ends feedback is kept: ${ACKS.join(", ")} (none)` },
    ttl: { type: "string", description: "how long it may wait, 60 to 172800 seconds (3600)" },
    expiry: { type: "string", description: "until when it may wait, like 2026-01-31T12:00:00Z" },
  },
  async run({ values, positionals, env, json, out }) {
    const { deviceId, text } = sendArguments(values, positionals, this.usage);
    const message = await messageOf(values, text);
    const sent = await (await gatewayClient(values, env)).sendDevicebound(deviceId, message);
    if (json) out(JSON.stringify(sent));
    else out(`sent ${printable(sent.messageId)}; ${sent.waiting} waiting for ${deviceId}`);
    return 0;
  },
};

function sendArguments(
  values: Context["values"],
  positionals: readonly string[],
  usage: string,
): { readonly deviceId: string; readonly text: string | undefined } {
  const [deviceId, text, third] = positionals;
  if (!deviceId) throw new UsageError("argument <device>: missing", `usage: ${usage}`);
  if (third !== undefined) throw new UsageError(`argument "${third}": one too many`, `usage: ${usage}`);
  if ((text === undefined) === (stringOption(values, "file") === undefined)) {
    throw new UsageError("arguments: either a <text> or --file", `usage: ${usage}`);
  }
  if (values["ttl"] !== undefined && values["expiry"] !== undefined) {
    throw new UsageError("options --ttl and --expiry: exclude each other", `usage: ${usage}`);
  }
  return { deviceId, text };
}

async function messageOf(
  values: Context["values"],
  text: string | undefined,
): Promise<NewDeviceboundMessage> {
  const ack = oneOf(values, "ack", ACKS);
  const timeToLiveSecs = wholeNumber(values, "ttl", TTL_SECS.max, TTL_SECS.min);
  const properties = stringOption(values, "properties");
  const file = stringOption(values, "file");
  const body = file === undefined ? Buffer.from(text!) : await readBytes(file, BODY_BYTES_MAX);
  return {
    bodyBase64: body.toString("base64"),
    messageId: stringOption(values, "message-id"),
    correlationId: stringOption(values, "correlation-id"),
    contentType: stringOption(values, "content-type"),
    contentEncoding: stringOption(values, "content-encoding"),
    // Whether these are texts is the gateway's to say.
    properties:
      properties === undefined
        ? undefined
        : ((await readJsonArgument(properties, "--properties")) as Record<string, string>),
    ack,
    timeToLiveSecs,
    expiry: stringOption(values, "expiry"),
  };
}

const COLUMNS: readonly Column<DeviceboundWaitingView>[] = [
  { title: "MESSAGE", cell: ({ messageId }) => printable(messageId) },
  { title: "SENT", cell: ({ message }) => message.enqueuedTime },
  { title: "LEFT", cell: ({ expiresInMs }) => formatAge(expiresInMs) },
  { title: "TRIES", cell: ({ deliveryCount }) => deliveryCount },
  { title: "ACK", cell: ({ ack }) => ack },
  { title: "SIZE", cell: ({ message }) => formatBytes(Buffer.byteLength(message.bodyBase64, "base64")) },
  { title: "BODY", cell: ({ message }) => formatBody(message.bodyBase64, BODY_CHARACTERS) },
];

export const deviceboundListCommand: Command = {
  name: "c2d list",
  group: "operate",
  summary: "list the messages that wait for a device, oldest first",
  usage: "sandpiper c2d list <device> [--dir <folder>] [--json]",
  example: "sandpiper c2d list thermo1",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    const deviceId = onlyPositional(positionals, "<device>", this.usage);
    const waiting = await (await gatewayClient(values, env)).devicebound(deviceId);
    if (json) out(JSON.stringify(waiting.map((one) => ({ ...one, message: toJsonEvent(one.message) }))));
    else out(waiting.length === 0 ? `nothing waits for ${deviceId}` : formatTable(COLUMNS, waiting));
    return 0;
  },
};

export const deviceboundPurgeCommand: Command = {
  name: "c2d purge",
  group: "operate",
  summary: "delete all messages that wait for a device; their senders' feedback says so",
  usage: "sandpiper c2d purge <device> [--yes] [--dir <folder>] [--json]",
  example: "sandpiper c2d purge thermo1 --yes",
  options: { ...DIR_OPTION, ...YES_OPTION },
  async run({ values, positionals, env, json, out, err, ask }) {
    const deviceId = onlyPositional(positionals, "<device>", this.usage);
    const what = `messages for "${deviceId}"`;
    const question = `delete all messages that wait for "${deviceId}"?`;
    if (!(await isDeletionMeant({ values, ask, err }, what, question))) return 1;
    const { purged } = await (await gatewayClient(values, env)).purgeDevicebound(deviceId);
    out(json ? JSON.stringify({ purged }) : `deleted ${purged}`);
    return 0;
  },
};
