/**
 * The guard in front of everything that is AMQP: what it makes of streams that are valid, mutated and random. A
 * stream is also given to it in pieces, and the pieces never make a difference.
 */
import rhea from "rhea";
import frames from "rhea/lib/frames.js";
import { describe, expect, test } from "vitest";
import { FrameReader, type FrameFault } from "../../../hub/amqp/frame-reader.ts";
import { FRAME_BYTES_MAX, OPENING_FRAME_BYTES_MAX } from "../../../hub/amqp/limits.ts";
import { MessageReader } from "../../../hub/amqp/message.ts";
import { PerformativeReader } from "../../../hub/amqp/performative.ts";
import { toFrameParts } from "../../../hub/amqp/mapping.ts";
import { MALFORMED, skipValue, valueEnd } from "../../../hub/amqp/value.ts";
import { Random, seed } from "../mqtt/random.ts";

const HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0]);

/** What the reader made of a stream, in words. */
class Recorder extends FrameReader {
  readonly seen: string[] = [];
  readonly #performative = new PerformativeReader();

  constructor(frameBytesMax: number) {
    super();
    this.frameBytesMax = frameBytesMax;
  }

  protected onHeader(protocol: number): void {
    this.seen.push(`header ${protocol}`);
  }

  protected onFrame(channel: number, bytes: Buffer, from: number, to: number): void {
    const isOne = from < to && this.#performative.read(bytes, from, to);
    const { code, end } = this.#performative;
    this.seen.push(
      isOne ? `${channel}: ${code} +${to - end}` : `${channel}: ${from === to ? "empty" : "malformed"}`,
    );
  }

  protected onFrameFault(fault: FrameFault): void {
    this.seen.push(fault);
  }
}

function read(stream: Buffer, cut: (left: number) => number = (left) => left): string[] {
  const recorder = new Recorder(FRAME_BYTES_MAX);
  for (let at = 0; at < stream.length;) {
    const length = Math.max(1, Math.min(stream.length - at, cut(stream.length - at)));
    const piece = Buffer.from(stream.subarray(at, at + length));
    recorder.push(piece, 0, piece.length);
    piece.fill(0xee); // a socket's buffer is used again
    at += length;
  }
  return recorder.seen;
}

/** rhea's types leave these out. */
const { accepted, rejected } = rhea.message as unknown as Record<
  string,
  (fields: object) => { described(): object }
>;

const amqp = (
  name: "open" | "begin" | "attach" | "detach" | "end" | "close",
  fields: object,
  channel = 0,
): Buffer => frames.write_frame(frames.amqp_frame(channel, frames[name](fields)));

const raw = frames as unknown as Record<string, (fields: object) => { readonly [field: string]: unknown }>;
const other = (name: "flow" | "transfer" | "disposition", fields: object, payload?: Buffer): Buffer => {
  const frame = frames.amqp_frame(0, raw[name]!(fields));
  return frames.write_frame({ ...frame, payload });
};

/** One of each, as rhea writes them. */
const VALID: readonly Buffer[] = [
  amqp("open", {
    container_id: "c",
    hostname: "h",
    max_frame_size: 4096,
    channel_max: 7,
    properties: { a: "b", n: 1 },
  }),
  amqp("begin", { next_outgoing_id: 0, incoming_window: 2048, outgoing_window: 4294967295 }, 3),
  amqp("attach", {
    name: "link",
    handle: 1,
    role: true,
    snd_settle_mode: 1,
    rcv_settle_mode: 0,
    initial_delivery_count: 4,
    max_message_size: 0,
    properties: { "com.microsoft:api-version": "2021-04-12" },
    desired_capabilities: ["x", "y"],
  }),
  other("flow", {
    next_incoming_id: 1,
    incoming_window: 2,
    next_outgoing_id: 3,
    outgoing_window: 4,
    handle: 0,
    link_credit: 500,
  }),
  other(
    "transfer",
    { handle: 0, delivery_id: 70_000, delivery_tag: Buffer.from("t"), settled: false },
    Buffer.from("payload"),
  ),
  other("disposition", { role: true, first: 1, last: 9, settled: true, state: accepted!({}).described() }),
  other("disposition", {
    role: true,
    first: 1,
    state: rejected!({ error: { condition: "x:y" } }).described(),
  }),
  amqp("detach", { handle: 1, closed: true, error: { condition: "amqp:not-found", description: "none" } }),
  amqp("end", {}),
  amqp("close", { error: { condition: "amqp:connection:forced" } }),
];

describe("frame reader", () => {
  test("agrees with rhea on each performative that rhea writes", () => {
    const codes = [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x15, 0x16, 0x17, 0x18];
    const seen = read(Buffer.concat([HEADER, ...VALID]));
    expect(seen).toEqual([
      "header 0",
      ...codes.map((code) => `${code === 0x11 ? 3 : 0}: ${code} +${code === 0x14 ? 7 : 0}`),
    ]);
  });

  test(`what comes in pieces of any size is the same as in one (SEED=${seed})`, () => {
    const random = new Random(seed);
    const stream = Buffer.concat([HEADER, ...VALID, Buffer.from([0, 0, 0, 8, 2, 0, 0, 0])]);
    const whole = read(stream);
    expect(whole).toHaveLength(VALID.length + 2);
    expect(read(stream, () => 1)).toEqual(whole);
    for (let i = 0; i < 300; i++) expect(read(stream, () => 1 + random.below(40))).toEqual(whole);
  });

  test(`a mutated stream is read without an exception, the same in pieces, and rhea reads whatever passes (SEED=${seed})`, () => {
    const random = new Random(seed);
    let passed = 0;
    for (let round = 0; round < 6_000; round++) {
      const frame = Buffer.from(VALID[random.below(VALID.length)]!);
      for (let n = 1 + random.below(4); n > 0; n--)
        frame[random.below(frame.length)] = MUTATIONS[random.below(MUTATIONS.length)]!(random);
      const stream = Buffer.concat([HEADER, frame]);
      const whole = read(stream);
      if (round % 20 === 0) expect(read(stream, () => 1 + random.below(9))).toEqual(whole);
      if (!/^\d+: \d+ \+\d+$/.test(whole[1] ?? "") || frame.readUInt32BE(0) !== frame.length) continue;
      passed++;
      expect(() => frames.read_frame(frame), frame.toString("hex")).not.toThrow();
    }
    expect(passed).toBeGreaterThan(300);
  });

  test("an announced length is judged before a byte of it has come, and nothing follows a fault", () => {
    const huge = Buffer.from([0xff, 0xff, 0xff, 0xff]);
    expect(read(Buffer.concat([HEADER, huge, VALID[0]!]))).toEqual(["header 0", "frame_too_large"]);
    expect(read(Buffer.concat([HEADER, Buffer.from([0, 0, 0, 7, 2, 0, 0])]))).toEqual([
      "header 0",
      "frame_malformed",
    ]);
    expect(read(Buffer.from("GET / HTTP/1.1\r\n"))).toEqual(["header_unknown"]);
    const early = new Recorder(OPENING_FRAME_BYTES_MAX);
    const announced = Buffer.concat([HEADER, Buffer.from([0, 0, 0x20, 1])]);
    early.push(announced, 0, announced.length);
    expect(early.seen).toEqual(["header 0", "frame_too_large"]);
  });
});

const CODES = [
  0x00, 0x40, 0x45, 0x41, 0x53, 0x70, 0x80, 0xa1, 0xb1, 0xc0, 0xc1, 0xd0, 0xd1, 0xe0, 0xf0, 0xff,
];
const MUTATIONS: readonly ((random: Random) => number)[] = [
  (random) => random.below(256),
  (random) => CODES[random.below(CODES.length)]!,
  (random) => random.below(4),
];

describe("values", () => {
  const list = (...parts: number[]): Buffer => Buffer.from(parts);

  test.for([
    ["an array of four thousand million nulls", list(0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40)],
    ["an array of more empty lists than a frame may have values", list(0xf0, 0, 0, 0, 5, 0, 1, 0, 0, 0x45)],
    ["a list of more elements than it has bytes", list(0xc0, 2, 9, 0x40)],
    ["a list that ends before its size", list(0xc0, 3, 1, 0x40, 0x40)],
    ["a list that is longer than what contains it", list(0xd0, 0, 0, 1, 0, 0, 0, 0, 1, 0x40)],
    ["a map of a key without a value", list(0xc1, 2, 1, 0x40)],
    ["a type that AMQP does not have", list(0x46)],
    ["a string that is not there", list(0xa1, 5, 0x61)],
    ["a truth that is neither", list(0x56, 2)],
    ["a descriptor that is a list", list(0x00, 0x45, 0x40)],
    [
      "nine lists in each other",
      list(...Array.from({ length: 9 }, (_, i) => [0xc0, 2 + 3 * (8 - i), 1]).flat(), 0x40),
    ],
  ] as const)("%s is malformed", ([, bytes]) => {
    expect(valueEnd(bytes, 0, bytes.length)).toBe(MALFORMED);
  });

  test(`the end of a well-formed value is where the skip of it ends (SEED=${seed})`, () => {
    const random = new Random(seed);
    for (let i = 0; i < 10_000; i++) {
      const bytes = Buffer.from(
        Array.from({ length: 1 + random.below(24) }, () => MUTATIONS[random.below(3)]!(random)),
      );
      const end = valueEnd(bytes, 0, bytes.length);
      if (end !== MALFORMED) expect(skipValue(bytes, 0), bytes.toString("hex")).toBe(end);
    }
  });

  test("the worst 64 KB take as long as any", () => {
    const bytes = Buffer.alloc(FRAME_BYTES_MAX, 0x40);
    bytes.writeUInt8(0xd0, 0);
    bytes.writeUInt32BE(bytes.length - 5, 1);
    bytes.writeUInt32BE(bytes.length - 9, 5);
    const begun = performance.now();
    for (let i = 0; i < 1000; i++) expect(valueEnd(bytes, 0, bytes.length)).toBe(MALFORMED); // too many values
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});

describe("messages", () => {
  const reader = new MessageReader();
  const message = rhea.message.encode({
    message_id: "m",
    user_id: Buffer.from("u"),
    correlation_id: 7,
    content_type: "text/plain",
    absolute_expiry_time: new Date(0),
    application_properties: { "iothub-outputname": "o", a: "b", n: -5, big: 1e15, t: true },
    message_annotations: { "iothub-interface-id": "i" },
    body: rhea.message.data_section(Buffer.from("body")),
  } as never);

  test(`random and mutated messages are read or refused, never with an exception (SEED=${seed})`, () => {
    const random = new Random(seed);
    let readable = 0;
    for (let round = 0; round < 6_000; round++) {
      const bytes = Buffer.from(message);
      for (let n = random.below(5); n > 0; n--)
        bytes[random.below(bytes.length)] = MUTATIONS[random.below(3)]!(random);
      expect(() => {
        if (!reader.read(bytes, 0, bytes.length)) return;
        readable++;
        toFrameParts(reader);
      }, bytes.toString("hex")).not.toThrow();
    }
    expect(readable).toBeGreaterThan(500);
  });

  test("sections out of order, twice, or of the wrong kind are no message", () => {
    const data = Buffer.from([0x00, 0x53, 0x75, 0xa0, 1, 0x61]);
    const value = Buffer.from([0x00, 0x53, 0x77, 0x40]);
    const properties = Buffer.from([0x00, 0x53, 0x73, 0x45]);
    const isRead = (...parts: Buffer[]) => {
      const bytes = Buffer.concat(parts);
      return reader.read(bytes, 0, bytes.length);
    };
    expect(isRead(properties, data, data)).toBe(true);
    expect(isRead(data, properties)).toBe(false);
    expect(isRead(properties, properties, data)).toBe(false);
    expect(isRead(data, value)).toBe(false);
    expect(isRead(value, value)).toBe(false);
    expect(isRead(Buffer.from([0x00, 0x53, 0x75, 0xa1, 1, 0x61]))).toBe(false); // data that is a string
    expect(isRead(Buffer.from([0x40]))).toBe(false);
  });
});
