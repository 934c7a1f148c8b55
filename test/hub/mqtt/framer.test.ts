import { describe, expect, it } from "vitest";
import { PacketFramer } from "../../../hub/mqtt/framer.ts";
import { packet } from "./raw-client.ts";

/** Hands packets on as text; stops the flow behind those that a test names. */
class Collector extends PacketFramer {
  readonly packets: string[] = [];
  stopBehind = -1;
  refuseHeader = -1;

  take(bytes: Buffer): this {
    // Overwritten afterwards, as the shared read buffer is.
    const shared = Buffer.from(bytes);
    this.push(shared, 0, shared.length);
    shared.fill(0xee);
    return this;
  }

  goOn(): void {
    this.flowing = true;
    this.drain();
  }

  get held(): number {
    return this.heldBytes;
  }

  protected admit(header: number, remaining: number): boolean {
    if (header !== this.refuseHeader && remaining >= 0) return true;
    this.packets.push(`refused ${header} ${remaining}`);
    this.endFraming();
    return false;
  }

  protected onPacket(header: number, bytes: Buffer, from: number, to: number): void {
    const body = bytes.subarray(from, to);
    this.packets.push(`${header}:${body.length > 20 ? body.length : body.toString("latin1")}`);
    if (this.packets.length === this.stopBehind) this.flowing = false;
  }
}

const body = (length: number): Buffer => Buffer.alloc(length, 0x61);
const PACKETS = [
  packet(0xc0),
  packet(0x30, body(3)),
  packet(0x32, body(130)),
  packet(0xe0),
  packet(0x40, body(2)),
];
const STREAM = Buffer.concat(PACKETS);
const EXPECTED = ["192:", "48:aaa", "50:130", "224:", "64:aa"];

describe("packets are found wherever the stream is cut", () => {
  it("byte by byte", () => {
    const framer = new Collector();
    for (const byte of STREAM) framer.take(Buffer.from([byte]));
    expect(framer.packets).toEqual(EXPECTED);
    expect(framer.held).toBe(0);
  });

  it("in two at every byte, and in three at every two bytes", () => {
    for (let first = 0; first <= STREAM.length; first++) {
      for (let second = first; second <= STREAM.length; second++) {
        const framer = new Collector();
        framer
          .take(STREAM.subarray(0, first))
          .take(STREAM.subarray(first, second))
          .take(STREAM.subarray(second));
        expect(framer.packets, `cut at ${first} and ${second}`).toEqual(EXPECTED);
      }
    }
  });

  it("in reads of every size, over packets of every kind of length", () => {
    const lengths = [0, 1, 126, 127, 128, 129, 16_383, 16_384, 70_000];
    const stream = Buffer.concat(lengths.map((length) => packet(0x30, body(length))));
    for (const read of [1, 2, 3, 5, 127, 128, 4_095, 65_536]) {
      const framer = new Collector();
      for (let at = 0; at < stream.length; at += read) framer.take(stream.subarray(at, at + read));
      expect(framer.packets).toHaveLength(lengths.length);
      expect(framer.held).toBe(0);
    }
  });
});

describe("what is held is bounded by what was received", () => {
  it("an announced length allocates nothing", () => {
    const before = process.memoryUsage().arrayBuffers;
    const framers = Array.from({ length: 200 }, () =>
      new Collector().take(Buffer.from([0x30, 0xff, 0xff, 0x0f, 1])),
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 1024);
    expect(framers.every((framer) => framer.held === 5)).toBe(true);
  });

  it("the longest packet, sent byte by byte, is not copied byte by byte", () => {
    const stream = packet(0x30, body(262_144));
    const framer = new Collector();
    const one = Buffer.alloc(1);
    const before = performance.now();
    for (const byte of stream) {
      one[0] = byte;
      framer.take(one);
    }
    expect(framer.packets).toEqual(["48:262144"]);
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  it("a packet is refused at its header, before its body", () => {
    const framer = new Collector();
    framer.refuseHeader = 0x20;
    framer
      .take(Buffer.from([0x20]))
      .take(Buffer.from([0x90]))
      .take(Buffer.from([0x4e]));
    expect(framer.packets).toEqual(["refused 32 10000"]);
    framer.take(STREAM);
    expect(framer.packets).toHaveLength(1);
    expect(framer.held).toBe(0);
  });

  it("a fifth length byte is refused wherever the stream is cut", () => {
    const stream = Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const framer = new Collector().take(stream.subarray(0, cut)).take(stream.subarray(cut));
      expect(framer.packets).toEqual(["refused 48 -1"]);
    }
  });
});

describe("a stopped flow keeps what was read", () => {
  it("and goes on in order, stopped behind each packet and cut at each byte", () => {
    for (let cut = 0; cut <= STREAM.length; cut++) {
      const framer = new Collector();
      framer.stopBehind = 1;
      framer.take(STREAM.subarray(0, cut)).take(STREAM.subarray(cut));
      while (framer.packets.length < EXPECTED.length) {
        expect(framer.packets).toHaveLength(framer.stopBehind);
        framer.stopBehind += 1;
        framer.goOn();
      }
      expect(framer.packets).toEqual(EXPECTED);
      expect(framer.held).toBe(0);
    }
  });

  it("and takes more behind it", () => {
    const framer = new Collector();
    framer.stopBehind = 2;
    framer.take(STREAM);
    framer.take(STREAM.subarray(0, 4)).take(STREAM.subarray(4));
    framer.stopBehind = -1;
    framer.goOn();
    expect(framer.packets).toEqual([...EXPECTED, ...EXPECTED]);
  });

  it("and takes more than it has room for", () => {
    const framer = new Collector();
    framer.stopBehind = 1;
    framer.take(STREAM);
    framer.stopBehind = 2;
    framer.goOn();
    for (let i = 0; i < 10; i++) framer.take(STREAM);
    framer.stopBehind = -1;
    framer.goOn();
    expect(framer.packets).toEqual(Array<string[]>(11).fill(EXPECTED).flat());
  });
});
