import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CloseCode } from "../../../hub/mqtt/close-reason.ts";
import { listen, type Listener } from "../../../hub/mqtt/listener.ts";
import {
  connectPacket,
  packet,
  pubackPacket,
  publishPacket,
  RawClient,
  subscribePacket,
} from "./raw-client.ts";
import { Recorder } from "./recorder.ts";

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};
const bytes = (...values: number[]): Buffer => Buffer.from(values);
const header = (level: number, flags: number): Buffer =>
  Buffer.concat([text("MQTT"), bytes(level, flags, 0, 60)]);
const publish = (first: number, ...parts: Buffer[]): Buffer => packet(first, Buffer.concat(parts));

const BEFORE_CONNECT: readonly (readonly [name: string, sent: Buffer, code: CloseCode])[] = [
  ["PUBLISH", publishPacket(), "connect_expected"],
  ["PINGREQ", packet(0xc0), "connect_expected"],
  ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "connect_expected"],
  ["a TLS ClientHello", bytes(0x16, 0x03, 0x01, 0x02, 0x00, 0x01), "flags_malformed"],
  ["packet type 0", packet(0x00), "connect_expected"],
  ["packet type 15", packet(0xf0), "connect_expected"],
  ["CONNECT with reserved flags", packet(0x11, header(4, 2)), "flags_malformed"],
  ["CONNECT that is empty", packet(0x10), "connect_malformed"],
  ["CONNECT of 81 KB, at its header", bytes(0x10, 0x80, 0x88, 0x05), "packet_too_large"],
  ["CONNECT with a length of five bytes", bytes(0x10, 0x80, 0x80, 0x80, 0x80, 0x01), "length_malformed"],
  [
    "CONNECT of another protocol",
    packet(0x10, Buffer.concat([text("AMQP"), bytes(4, 2, 0, 0), text("d")])),
    "connect_malformed",
  ],
  [
    "CONNECT with the reserved connect flag",
    packet(0x10, Buffer.concat([header(4, 3), text("d")])),
    "connect_malformed",
  ],
  [
    "CONNECT with a password and no user name",
    packet(0x10, Buffer.concat([header(4, 0x42), text("d"), text("p")])),
    "connect_malformed",
  ],
  [
    "CONNECT with will QoS 3",
    packet(0x10, Buffer.concat([header(4, 0x1e), text("d"), text("t"), text("w")])),
    "connect_malformed",
  ],
  [
    "CONNECT with will QoS and no will",
    packet(0x10, Buffer.concat([header(4, 0x0a), text("d")])),
    "connect_malformed",
  ],
  [
    "CONNECT with a wildcard in the will topic",
    packet(0x10, Buffer.concat([header(4, 6), text("d"), text("t/#"), text("w")])),
    "connect_malformed",
  ],
  [
    "CONNECT with bytes behind the last field",
    packet(0x10, Buffer.concat([header(4, 2), text("d"), bytes(0)])),
    "connect_malformed",
  ],
  [
    "CONNECT whose client id is cut off",
    packet(0x10, Buffer.concat([header(4, 2), bytes(0, 9, 0x64)])),
    "connect_malformed",
  ],
  [
    "CONNECT whose client id is not utf-8",
    packet(0x10, Buffer.concat([header(4, 2), bytes(0, 2, 0xc3, 0x28)])),
    "connect_malformed",
  ],
  [
    "CONNECT with NUL in the client id",
    packet(0x10, Buffer.concat([header(4, 2), text("a\0b")])),
    "connect_malformed",
  ],
];

const AFTER_CONNECT: readonly (readonly [name: string, sent: Buffer, code: CloseCode])[] = [
  ["a second CONNECT", connectPacket(), "connect_repeated"],
  ["packet type 0", packet(0x00), "packet_unexpected"],
  ["packet type 15", packet(0xf0), "packet_unexpected"],
  ["CONNACK", packet(0x20, bytes(0, 0)), "packet_unexpected"],
  ["SUBACK", packet(0x90, bytes(0, 1, 0)), "packet_unexpected"],
  ["UNSUBACK", packet(0xb0, bytes(0, 1)), "packet_unexpected"],
  ["PINGRESP", packet(0xd0), "packet_unexpected"],
  ["PUBREC", packet(0x50, bytes(0, 1)), "qos_unsupported"],
  ["PUBREL", packet(0x62, bytes(0, 1)), "qos_unsupported"],
  ["PUBCOMP", packet(0x70, bytes(0, 1)), "qos_unsupported"],
  ["a length of five bytes", bytes(0x30, 0xff, 0xff, 0xff, 0xff, 0x01), "length_malformed"],
  ["PUBLISH with QoS 2", publishPacket({ qos: 2 }), "qos_unsupported"],
  ["PUBLISH with QoS 3", publish(0x36, text("t"), bytes(0, 1)), "publish_malformed"],
  ["PUBLISH with DUP and QoS 0", publish(0x38, text("t")), "publish_malformed"],
  ["PUBLISH that is empty", packet(0x30), "publish_malformed"],
  ["PUBLISH of one byte", publish(0x30, bytes(0)), "publish_malformed"],
  ["PUBLISH whose topic is cut off", publish(0x30, bytes(0, 5, 0x74)), "publish_malformed"],
  ["PUBLISH whose packet id is cut off", publish(0x32, text("t"), bytes(1)), "publish_malformed"],
  ["PUBLISH with packet id 0", publish(0x32, text("t"), bytes(0, 0)), "packet_id_zero"],
  ["PUBLISH with an empty topic", publish(0x30, text("")), "topic_malformed"],
  ["PUBLISH with + in the topic", publish(0x30, text("a/+/b")), "topic_malformed"],
  ["PUBLISH with # in the topic", publish(0x30, text("a/#")), "topic_malformed"],
  ["PUBLISH with NUL in the topic", publish(0x30, text("a\0b")), "topic_malformed"],
  ["PUBLISH with a topic that is not utf-8", publish(0x30, bytes(0, 2, 0xc3, 0x28)), "topic_malformed"],
  ["PUBLISH with a surrogate in the topic", publish(0x30, bytes(0, 3, 0xed, 0xa0, 0x80)), "topic_malformed"],
  ["PUBLISH beyond every limit, at its header", bytes(0x32, 0xff, 0xff, 0xff, 0x7f), "packet_too_large"],
  [
    "PUBLISH with a body of 262145 bytes",
    publishPacket({ payload: Buffer.alloc(262_145) }),
    "packet_too_large",
  ],
  ["PUBACK with packet id 0", pubackPacket(0), "packet_id_zero"],
  ["PUBACK of three bytes", packet(0x40, bytes(0, 1, 0)), "packet_too_large"],
  ["PUBACK of one byte", packet(0x40, bytes(1)), "length_malformed"],
  ["PUBACK with flags", packet(0x42, bytes(0, 1)), "flags_malformed"],
  ["SUBSCRIBE with flags 0", packet(0x80, subscribePacket(1, "t").subarray(2)), "flags_malformed"],
  [
    "SUBSCRIBE with packet id 0",
    packet(0x82, Buffer.concat([bytes(0, 0), text("t"), bytes(0)])),
    "packet_id_zero",
  ],
  ["SUBSCRIBE without filters", packet(0x82, bytes(0, 1)), "subscribe_malformed"],
  [
    "SUBSCRIBE with an empty filter",
    packet(0x82, Buffer.concat([bytes(0, 1), text(""), bytes(0)])),
    "subscribe_malformed",
  ],
  [
    "SUBSCRIBE with QoS 3",
    packet(0x82, Buffer.concat([bytes(0, 1), text("t"), bytes(3)])),
    "subscribe_malformed",
  ],
  [
    "SUBSCRIBE with reserved QoS bits",
    packet(0x82, Buffer.concat([bytes(0, 1), text("t"), bytes(0x81)])),
    "subscribe_malformed",
  ],
  ["SUBSCRIBE without a QoS", packet(0x82, Buffer.concat([bytes(0, 1), text("tt")])), "subscribe_malformed"],
  [
    "SUBSCRIBE whose filter is not utf-8",
    packet(0x82, bytes(0, 1, 0, 2, 0xc3, 0x28, 0)),
    "subscribe_malformed",
  ],
  ["SUBSCRIBE with 513 filters", subscribePacket(1, ...Array<string>(513).fill("t")), "subscribe_malformed"],
  ["UNSUBSCRIBE with flags 0", packet(0xa0, bytes(0, 1, 0, 1, 0x74)), "flags_malformed"],
  ["UNSUBSCRIBE with packet id 0", packet(0xa2, bytes(0, 0, 0, 1, 0x74)), "packet_id_zero"],
  ["UNSUBSCRIBE whose filter is cut off", packet(0xa2, bytes(0, 1, 0, 9, 0x74)), "unsubscribe_malformed"],
  ["PINGREQ with a body", packet(0xc0, bytes(0)), "packet_too_large"],
  ["DISCONNECT with flags", packet(0xe1), "flags_malformed"],
];

describe("a protocol violation closes the connection and nothing else", () => {
  const recorder = new Recorder();
  let listener: Listener;
  let bystander: RawClient;

  beforeAll(async () => {
    listener = await listen({ protocol: "mqtt", host: "127.0.0.1", port: 0, handler: recorder });
    bystander = await RawClient.accepted(listener.port, { clientId: "bystander" });
  });
  afterAll(() => listener.close());

  const violate = async (client: RawClient, sent: Buffer): Promise<CloseCode> => {
    const before = recorder.of("close").length;
    client.send(sent);
    await client.closed;
    const closes = await recorder.until("close", before + 1);
    await bystander.ping();
    return closes[before]!.reason.code;
  };

  it.each(BEFORE_CONNECT)("before CONNECT: %s", async (_name, sent, code) => {
    const client = await RawClient.open(listener.port);
    expect(await violate(client, sent)).toBe(code);
    expect(client.received).toHaveLength(0);
  });

  it.each(AFTER_CONNECT)("after CONNECT: %s", async (_name, sent, code) => {
    const client = await RawClient.accepted(listener.port);
    const published = recorder.of("publish").length;
    expect(await violate(client, sent)).toBe(code);
    expect(recorder.of("publish")).toHaveLength(published);
  });

  it.each([
    ["MQTT 5", connectPacket({ protocolVersion: 5 })],
    ["MQTT 3.1", connectPacket({ protocolId: "MQIsdp", protocolVersion: 3 })],
    ["a bridge", packet(0x10, Buffer.concat([header(0x84, 2), text("d")]))],
  ])("a client of %s is told so before it is closed [MQTT-3.1.2-2]", async (_name, sent) => {
    const client = await RawClient.open(listener.port);
    expect(await violate(client, sent)).toBe("protocol_unsupported");
    expect(client.received).toEqual(bytes(0x20, 2, 0, 1));
  });

  it("packets behind a violation are not looked at", async () => {
    const client = await RawClient.accepted(listener.port);
    const published = recorder.of("publish").length;
    await violate(client, Buffer.concat([packet(0xf0), publishPacket()]));
    expect(recorder.of("publish")).toHaveLength(published);
  });

  it("packets in front of a violation still count", async () => {
    const client = await RawClient.accepted(listener.port);
    const published = recorder.of("publish").length;
    await violate(client, Buffer.concat([publishPacket({ payload: "last" }), packet(0xf0)]));
    expect(recorder.of("publish").slice(published)).toMatchObject([{ body: Buffer.from("last") }]);
  });
});
