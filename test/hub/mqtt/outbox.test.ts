import { describe, expect, it } from "vitest";
import { LARGE_CHUNK_BYTES } from "../../../hub/mqtt/chunk-pool.ts";
import { flushOutboxes, Outbox } from "../../../hub/mqtt/outbox.ts";
import { FakeSocket } from "./fake-socket.ts";
import { publishPacket } from "./raw-client.ts";

const unbounded = (fake: FakeSocket): Outbox => new Outbox(fake.socket, Infinity, () => {});
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const topic = Buffer.from("t");

function publish(outbox: Outbox, length: number, fill = 1): Buffer {
  const body = Buffer.alloc(length, fill);
  outbox.publish(topic, body, 0, length, 0, 0, false);
  return publishPacket({ topic: "t", payload: body, qos: 0 });
}

describe("an outbox", () => {
  it("writes once per turn, whatever was appended", async () => {
    const fake = new FakeSocket();
    const outbox = unbounded(fake);
    const expected = Array.from({ length: 100 }, (_, i) => publish(outbox, i));
    expect(fake.written).toHaveLength(0);
    await turn();
    expect(fake.written).toHaveLength(1);
    expect(fake.output).toEqual(Buffer.concat(expected));
    publish(outbox, 3);
    flushOutboxes();
    expect(fake.written).toHaveLength(2);
    await turn();
    expect(fake.written).toHaveLength(2);
  });

  it("writes full chunks within the turn, and a packet of any length in pieces", () => {
    const fake = new FakeSocket();
    const outbox = unbounded(fake);
    const lengths = [10, 5_000, 65_520, 65_530, 65_536, 70_000, 262_144, 1, 131_072];
    const expected = lengths.map((length, i) => publish(outbox, length, i));
    expect(fake.written.every(({ length }) => length <= LARGE_CHUNK_BYTES)).toBe(true);
    flushOutboxes();
    expect(fake.output.equals(Buffer.concat(expected))).toBe(true);
  });

  it("gathers into dense chunks while the peer does not read", async () => {
    const fake = new FakeSocket();
    const outbox = unbounded(fake);
    fake.isTaking = false;
    const expected: Buffer[] = [];
    for (let i = 0; i < 1_000; i++) {
      expected.push(publish(outbox, 200, i));
      await turn();
    }
    const total = Buffer.concat(expected).length;
    expect(outbox.backlogBytes).toBe(total);
    // One small chunk from before anybody knew, and the rest full.
    expect(fake.writableLength % LARGE_CHUNK_BYTES).toBeLessThan(expected[0]!.length + 1_000);
    while (outbox.backlogBytes > 0) {
      fake.release();
      await turn();
    }
    expect(fake.output.equals(Buffer.concat(expected))).toBe(true);
    expect(fake.written.length).toBeLessThan(10);
  });

  it("does not touch a chunk that is still being written", async () => {
    const slow = new FakeSocket();
    const slowBox = unbounded(slow);
    slow.isTaking = false;
    const expected = publish(slowBox, 1_000, 7);
    flushOutboxes();
    for (let i = 0; i < 300; i++) {
      const other = new FakeSocket();
      publish(unbounded(other), 1_000, 8);
      flushOutboxes();
    }
    slow.release();
    await turn();
    expect(slow.output.equals(expected)).toBe(true);
  });

  it("does not touch the last of several chunks that are being written", async () => {
    const slow = new FakeSocket();
    const slowBox = unbounded(slow);
    slow.isTaking = false;
    const expected = [1, 2, 3].map((fill) => publish(slowBox, 65_000, fill)); // the third sends off the second
    slow.releaseOne();
    await turn();
    expected.push(...[4, 5].map((fill) => publish(slowBox, 65_000, fill)));
    slow.releaseOne();
    await turn();
    for (let i = 0; i < 100; i++) publish(unbounded(new FakeSocket()), 65_000, 99);
    while (slowBox.backlogBytes > 0) {
      slow.releaseOne();
      await turn();
    }
    expect(slow.output.equals(Buffer.concat(expected))).toBe(true);
  });

  it("that passes its bound says so once and then takes nothing", () => {
    const fake = new FakeSocket();
    fake.isTaking = false;
    let overflows = 0;
    const outbox = new Outbox(fake.socket, 300_000, () => {
      overflows += 1;
      outbox.close();
    });
    for (let i = 0; i < 1_000; i++) publish(outbox, 1_000);
    publish(outbox, 262_144);
    flushOutboxes();
    expect(overflows).toBe(1);
    expect(outbox.backlogBytes).toBeLessThanOrEqual(300_000);
  });

  it("writes a SUBACK of many codes, and ids of two bytes", () => {
    const fake = new FakeSocket();
    const outbox = unbounded(fake);
    outbox.suback(0x1234, Array<number>(300).fill(1));
    outbox.publish(topic, Buffer.from("xyz"), 1, 3, 1, 0xabcd, true);
    flushOutboxes();
    const suback = Buffer.concat([Buffer.from([0x90, 0xae, 0x02, 0x12, 0x34]), Buffer.alloc(300, 1)]);
    const sent = publishPacket({ topic: "t", payload: "yz", messageId: 0xabcd, dup: true });
    expect(fake.output).toEqual(Buffer.concat([suback, sent]));
  });
});
