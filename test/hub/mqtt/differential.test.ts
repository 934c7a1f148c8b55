import { describe, expect, it } from "vitest";
import { CLOSE_CODES } from "../../../hub/mqtt/close-reason.ts";
import { MqttConnection } from "../../../hub/mqtt/connection.ts";
import { Sweep } from "../../../hub/mqtt/sweep.ts";
import { compare, cut, mutate, ours, randomPacket } from "./differential.ts";
import { FakeSocket } from "./fake-socket.ts";
import { Random, seed } from "./random.ts";
import { connectPacket, packet, subscribePacket, unsubscribePacket } from "./raw-client.ts";
import { Recorder } from "./recorder.ts";

const CODES = new Set<string>(CLOSE_CODES);

describe(`with SEED=${seed}`, () => {
  it("PUBLISH is read as mqtt-packet reads it, in whatever pieces it comes", async () => {
    const random = new Random(seed);
    let messages = 0;
    for (let round = 0; round < 300; round++) {
      const stream = Buffer.concat(Array.from({ length: 1 + random.below(12) }, () => randomPacket(random)));
      const comparison = await compare(random, stream);
      expect(comparison, `round ${round}`).toMatchObject({ disagreement: null, refused: 0, closed: null });
      messages += comparison.messages;
    }
    expect(messages).toBeGreaterThan(300);
  });

  it("of mutated streams nothing is read otherwise than by mqtt-packet, and nothing left out without closing", async () => {
    const random = new Random(seed + 1);
    let closed = 0;
    let refused = 0;
    for (let round = 0; round < 3_000; round++) {
      const clean = Buffer.concat(Array.from({ length: 1 + random.below(5) }, () => randomPacket(random)));
      const comparison = await compare(random, mutate(random, clean));
      expect(comparison.disagreement, `round ${round}`).toBeNull();
      if (comparison.closed === null) continue;
      expect(CODES.has(comparison.closed)).toBe(true);
      closed++;
      refused += comparison.refused;
    }
    expect(closed).toBeGreaterThan(500);
    expect(refused, "and there was something to be refused").toBeGreaterThan(50);
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
