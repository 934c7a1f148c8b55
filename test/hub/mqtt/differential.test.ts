import { describe, expect, it } from "vitest";
import { parser, type IPublishPacket, type Packet } from "mqtt-packet";
import { CLOSE_CODES } from "../../../hub/mqtt/close-reason.ts";
import { MqttConnection } from "../../../hub/mqtt/connection.ts";
import { Sweep } from "../../../hub/mqtt/sweep.ts";
import { FakeSocket } from "./fake-socket.ts";
import { Random, seed } from "./random.ts";
import {
  connectPacket,
  packet,
  PINGREQ,
  pubackPacket,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from "./raw-client.ts";
import { Recorder } from "./recorder.ts";

const CODES = new Set<string>(CLOSE_CODES);
const TOPIC_PARTS = [
  "devices",
  "d1",
  "messages/events",
  "größe",
  "$.on=o",
  "",
  "a b",
  "😀",
  "\uFEFF",
  "x".repeat(200),
];

interface Message {
  readonly topic: string;
  readonly body: string;
  readonly qos: number;
  readonly packetId: number;
  readonly dup: boolean;
  readonly retain: boolean;
}

/** What our connection makes of a stream given in pieces; synchronous, so an exception fails the test. */
function ours(pieces: readonly Uint8Array[]): { recorder: Recorder; messages: Message[] } {
  const recorder = new Recorder();
  const fake = new FakeSocket();
  new MqttConnection(fake.socket, recorder, new Sweep());
  fake.receive(connectPacket());
  for (const piece of pieces) fake.receive(piece);
  const messages = recorder.of("publish").map(({ topic, body, qos, packetId, flags }) => ({
    topic,
    body: body.toString("latin1"),
    qos,
    packetId,
    ...flags,
  }));
  return { recorder, messages };
}

/** What mqtt-packet makes of it, up to its first complaint. */
function theirs(stream: Uint8Array): Message[] {
  const found: Packet[] = [];
  const decoder = parser({ protocolVersion: 4 });
  decoder.on("packet", (one) => found.push(one));
  decoder.on("error", () => {});
  try {
    decoder.parse(Buffer.from(stream));
  } catch {
    // it reads beyond the end of some malformed packets
  }
  return found.filter((one): one is IPublishPacket => one.cmd === "publish").map(toMessage);
}

const toMessage = ({ topic, payload, qos, messageId, dup, retain }: IPublishPacket): Message => ({
  topic,
  body: Buffer.from(payload as Buffer).toString("latin1"),
  qos,
  packetId: messageId ?? 0,
  dup,
  retain,
});

function randomPublish(random: Random): Buffer {
  const parts = Array.from({ length: 1 + random.below(4) }, () => random.pick(TOPIC_PARTS));
  const qos = random.below(2) as 0 | 1;
  const length = random.chance(5) ? random.below(70_000) : random.below(random.pick([4, 130, 400]));
  return publishPacket({
    topic: parts.join("/") || "t",
    payload: random.bytes(length),
    qos,
    messageId: qos === 0 ? 0 : 1 + random.below(65_535),
    dup: qos === 1 && random.chance(30),
    retain: random.chance(30),
  });
}

function randomPacket(random: Random): Buffer {
  const others = [
    PINGREQ,
    pubackPacket(1 + random.below(65_535)),
    subscribePacket(3, "a/#"),
    unsubscribePacket(4, "b"),
  ];
  return random.chance(70) ? randomPublish(random) : random.pick(others);
}

function cut(random: Random, stream: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length;) {
    const end = at + 1 + random.below(random.pick([2, 50, 1_500, 65_536]));
    pieces.push(stream.subarray(at, end));
    at = end;
  }
  return pieces;
}

function mutate(random: Random, stream: Buffer): Buffer {
  const mutated = Buffer.from(stream);
  for (let i = 1 + random.below(4); i > 0; i--) mutated[random.below(mutated.length)] = random.below(256);
  if (random.chance(20)) return mutated.subarray(0, random.below(mutated.length));
  return random.chance(20) ? Buffer.concat([mutated, random.bytes(20)]) : mutated;
}

describe(`with SEED=${seed}`, () => {
  it("PUBLISH is read as mqtt-packet reads it, in whatever pieces it comes", () => {
    const random = new Random(seed);
    for (let round = 0; round < 300; round++) {
      const stream = Buffer.concat(Array.from({ length: 1 + random.below(12) }, () => randomPacket(random)));
      const { recorder, messages } = ours(cut(random, stream));
      expect(messages, `round ${round}`).toEqual(theirs(stream));
      expect(recorder.of("close")).toEqual([]);
    }
  });

  it("mutated streams never throw, and nothing is read that mqtt-packet does not read", async () => {
    const random = new Random(seed + 1);
    let closed = 0;
    for (let round = 0; round < 3_000; round++) {
      const clean = Buffer.concat(Array.from({ length: 1 + random.below(5) }, () => randomPacket(random)));
      const stream = mutate(random, clean);
      const { recorder, messages } = ours(cut(random, stream));
      const reference = theirs(stream);
      expect(reference.slice(0, messages.length), `round ${round}`).toEqual(messages);
      await Promise.resolve(); // the reason is announced in the next tick
      await new Promise<void>((resolve) => process.nextTick(resolve));
      for (const { reason } of recorder.of("close")) expect(CODES.has(reason.code)).toBe(true);
      closed += recorder.of("close").length;
    }
    expect(closed).toBeGreaterThan(500);
  });

  it("mutated CONNECT, SUBSCRIBE and UNSUBSCRIBE never throw", () => {
    const random = new Random(seed + 2);
    const connect = connectPacket({
      clientId: "dev1/mod1",
      username: "hub/dev1/mod1/?api-version=2021-04-12",
      password: Buffer.from("SharedAccessSignature sr=a&sig=b&se=1"),
      will: { topic: "devices/dev1/messages/events/", payload: Buffer.from("gone"), qos: 1, retain: true },
    });
    let connects = 0;
    for (let round = 0; round < 3_000; round++) {
      const recorder = new Recorder();
      const fake = new FakeSocket();
      new MqttConnection(fake.socket, recorder, new Sweep());
      for (const piece of cut(random, mutate(random, connect))) fake.receive(piece);
      fake.receive(connectPacket());
      fake.receive(
        mutate(random, random.pick([subscribePacket(5, "a/#", "ü/+"), unsubscribePacket(6, "a/#")])),
      );
      connects += recorder.of("connect").length;
    }
    expect(connects).toBeGreaterThan(300);
  });

  it("noise never throws", () => {
    const random = new Random(seed + 3);
    for (let round = 0; round < 2_000; round++) {
      ours(cut(random, random.bytes(1 + random.below(300))));
      ours([packet(random.below(256), random.bytes(random.below(40)))]);
    }
  });
});
