/**
 * PUBLISH as our reader takes it, against mqtt-packet as the reference: on streams that are well-formed, and on mutated
 * ones. Where they differ, ours is the stricter one, closes the connection over it, and says why.
 */
import { parser, type IPublishPacket, type Packet } from "mqtt-packet";
import type { CloseCode } from "../../../hub/mqtt/close-reason.ts";
import { MqttConnection } from "../../../hub/mqtt/connection.ts";
import { Sweep } from "../../../hub/mqtt/sweep.ts";
import { FakeSocket } from "./fake-socket.ts";
import { Random } from "./random.ts";
import {
  connectPacket,
  PINGREQ,
  pubackPacket,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from "./raw-client.ts";
import { Recorder } from "./recorder.ts";

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
export function ours(pieces: readonly Uint8Array[]): { recorder: Recorder; messages: Message[] } {
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

export function randomPacket(random: Random): Buffer {
  const others = [
    PINGREQ,
    pubackPacket(1 + random.below(65_535)),
    subscribePacket(3, "a/#"),
    unsubscribePacket(4, "b"),
  ];
  return random.chance(70) ? randomPublish(random) : random.pick(others);
}

export function cut(random: Random, stream: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length;) {
    const end = at + 1 + random.below(random.pick([2, 50, 1_500, 65_536]));
    pieces.push(stream.subarray(at, end));
    at = end;
  }
  return pieces;
}

export function mutate(random: Random, stream: Buffer): Buffer {
  const mutated = Buffer.from(stream);
  for (let i = 1 + random.below(4); i > 0; i--) mutated[random.below(mutated.length)] = random.below(256);
  if (random.chance(20)) return mutated.subarray(0, random.below(mutated.length));
  return random.chance(20) ? Buffer.concat([mutated, random.bytes(20)]) : mutated;
}

export interface Comparison {
  /** In words; `null` when the two agree, or ours has closed before the first message it does not want. */
  readonly disagreement: string | null;
  readonly messages: number;
  /** Messages that mqtt-packet reads, and ours closes over. */
  readonly refused: number;
  readonly closed: CloseCode | null;
}

/** A stream read by both, in whatever pieces. */
export async function compare(random: Random, stream: Buffer): Promise<Comparison> {
  const { recorder, messages } = ours(cut(random, stream));
  const reference = theirs(stream);
  await new Promise<void>((resolve) => setImmediate(resolve)); // the reason is announced in the next tick
  const closed = recorder.of("close")[0]?.reason.code ?? null;
  const refused = reference.length - messages.length;
  const counts = { messages: messages.length, refused: Math.max(0, refused), closed };
  const differs = messages.findIndex((one, i) => !isSame(one, reference[i]));
  if (differs >= 0)
    return { ...counts, disagreement: `message ${differs} is read, and mqtt-packet reads another` };
  if (refused > 0 && closed === null)
    return { ...counts, disagreement: `${refused} messages are left out in silence` };
  return { ...counts, disagreement: null };
}

const isSame = (one: Message, other: Message | undefined): boolean =>
  other !== undefined &&
  one.topic === other.topic &&
  one.body === other.body &&
  one.qos === other.qos &&
  one.packetId === other.packetId &&
  one.dup === other.dup &&
  one.retain === other.retain;

/** Disagreements over so many streams, every other one of them mutated, in words with the stream. */
export async function compareReaders(seed: number, rounds: number): Promise<string[]> {
  const random = new Random(seed);
  const found: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const clean = Buffer.concat(Array.from({ length: 1 + random.below(8) }, () => randomPacket(random)));
    const stream = round % 2 === 0 ? clean : mutate(random, clean);
    const { disagreement } = await compare(random, stream);
    if (disagreement !== null) found.push(`PUBLISH: ${disagreement}: ${stream.toString("hex", 0, 4_096)}`);
  }
  return found;
}
