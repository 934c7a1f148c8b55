/** What somebody who has shown no token may make a connection hold, and what anybody may who never reads. */
import rhea from "rhea";
import termini from "rhea/lib/terminus.js";
import { describe, expect, test } from "vitest";
import {
  ECHOED_BYTES_MAX,
  REPLIES_BYTES_MAX,
  STRANGER_LINKS_MAX,
  STRANGER_PARTIAL_BYTES_MAX,
  TOKEN_MESSAGE_BYTES_MAX,
} from "../../../hub/amqp/limits.ts";
import { FIELD, MessageReader } from "../../../hub/amqp/message.ts";
import type { OutgoingLink } from "../../../hub/amqp/outgoing-link.ts";
import { ReplyQueue } from "../../../hub/amqp/reply-queue.ts";
import { BEGIN, conditionOf, frame, HEADER, names, OPEN, Wire } from "./wire.ts";

const CBS = "$cbs";
const attach = (handle: number, address: string, fields: object = {}): Buffer =>
  frame("attach", {
    name: `l${handle}`,
    handle,
    role: false,
    target: termini.target({ address }).described(),
    initial_delivery_count: 0,
    ...fields,
  });
const part = (id: number, handle: number, bytes: number, more = true): Buffer =>
  frame(
    "transfer",
    { handle, delivery_id: id, delivery_tag: Buffer.from("t"), more },
    0,
    Buffer.alloc(bytes),
  );

async function stranger(): Promise<Wire> {
  const wire = new Wire();
  await wire.say(HEADER, OPEN, BEGIN);
  return wire;
}

describe("who has shown no token", () => {
  test("has a few links, refused ones included, where others have many", async () => {
    const wire = await stranger();
    for (let handle = 0; handle < STRANGER_LINKS_MAX; handle++)
      await wire.say(attach(handle, "/devices/d1/x"));
    expect(wire.connection.isOpen).toBe(true);
    await wire.say(attach(STRANGER_LINKS_MAX, CBS));
    expect(wire.reason?.code).toBe("links_too_many");

    const known = await new Wire().begin();
    for (let handle = 0; handle <= STRANGER_LINKS_MAX; handle++) await known.say(attach(handle, CBS));
    expect(known.connection.isOpen).toBe(true);
  });

  test("leaves little of messages unfinished, over all links", async () => {
    const wire = await stranger();
    const each = TOKEN_MESSAGE_BYTES_MAX - 1;
    const needed = Math.ceil((STRANGER_PARTIAL_BYTES_MAX + 1) / each);
    for (let handle = 0; handle < needed; handle++) {
      expect(wire.reason).toBeNull();
      await wire.say(attach(handle, CBS));
      await wire.say(part(handle, handle, each));
    }
    expect(wire.reason?.code).toBe("partial_too_large");
  });

  test("sends the token node nothing that is larger than a token can be", async () => {
    const wire = await stranger();
    await wire.say(attach(0, CBS));
    const sent = await wire.say(part(0, 0, TOKEN_MESSAGE_BYTES_MAX + 1, false));
    expect(conditionOf(sent, "detach")).toBe("amqp:link:message-size-exceeded");
  });

  test("has a long address, and long properties of a link, forgotten at once", async () => {
    const wire = await stranger();
    const long = `/devices/${"d".repeat(2_000)}/messages/events`;
    const sent = await wire.say(attach(0, long, { properties: { "com.microsoft:x": "v".repeat(3_000) } }));
    expect(names(sent)).toEqual(["attach", "detach"]);
    expect(conditionOf(sent, "detach")).toBe("amqp:not-found");
    const [session] = wire.connection.sessions();
    const [link] = session!.links();
    expect(link!.attach).toMatchObject({ target: null, properties: new Map() });
  });
});

test("an id that is longer than any is not kept to be repeated", () => {
  const reader = new MessageReader();
  const idOf = (bytes: number): Buffer | null => {
    const message = rhea.message.encode({ message_id: "m".repeat(bytes), body: null });
    expect(reader.read(message, 0, message.length)).toBe(true);
    return reader.rawField(FIELD.MESSAGE_ID);
  };
  expect(idOf(100)).toHaveLength(102);
  expect(idOf(ECHOED_BYTES_MAX)).toBeNull();
});

test("answers that wait for credit are bounded in bytes, and count no longer when they are sent", () => {
  let detached = 0;
  let isCredit = false;
  const link = {
    get canSend() {
      return isCredit;
    },
    send: () => undefined,
    session: { detach: () => void detached++ },
  } as unknown as OutgoingLink;
  const queue = new ReplyQueue(link, () => undefined);
  const answer = Buffer.alloc(REPLIES_BYTES_MAX / 4);
  for (let i = 0; i < 4; i++) queue.send(answer);
  isCredit = true;
  queue.onCredit();
  isCredit = false;
  for (let i = 0; i < 4; i++) queue.send(answer);
  expect(detached).toBe(0);
  queue.send(answer);
  expect(detached).toBe(1);
});
