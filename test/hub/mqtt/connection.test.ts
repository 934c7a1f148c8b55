import { afterEach, describe, expect, it } from "vitest";
import { listen, type ListenOptions, type Listener } from "../../../hub/mqtt/listener.ts";
import { Sweep } from "../../../hub/mqtt/sweep.ts";
import {
  connectPacket,
  DISCONNECT,
  packet,
  PINGREQ,
  PINGRESP,
  pubackPacket,
  publishPacket,
  RawClient,
  subscribePacket,
  unsubscribePacket,
} from "./raw-client.ts";
import { Recorder, type Connection } from "./recorder.ts";

const CONNACK_OK = Buffer.from([0x20, 2, 0, 0]);
const listeners: Listener[] = [];
afterEach(() => Promise.all(listeners.splice(0).map((listener) => listener.close())));

async function start(
  recorder: Recorder,
  options: Partial<ListenOptions<string, string>> = {},
): Promise<number> {
  const defaults = { protocol: "mqtt", host: "127.0.0.1", port: 0, handler: recorder } as const;
  const listener = await listen({ ...defaults, ...options });
  listeners.push(listener);
  return listener.port;
}

const bodies = (recorder: Recorder): string[] => recorder.of("publish").map(({ body }) => body.toString());
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await nextTurn();
};

/** Everything a client may send, and what the handler is told. */
const SESSION = Buffer.concat([
  connectPacket({
    username: "user",
    password: Buffer.from("pass"),
    will: { topic: "w", payload: Buffer.from("gone") },
  }),
  publishPacket({ messageId: 7, payload: "one", dup: true }),
  publishPacket({ qos: 0, payload: "two", retain: true }),
  publishPacket({ qos: 0, payload: Buffer.alloc(300, 0x78), topic: "größe/über/alles" }),
  subscribePacket(8, "a/#", "b"),
  unsubscribePacket(9, "a/#"),
  pubackPacket(300),
  PINGREQ,
  DISCONNECT,
]);

describe("a session", () => {
  it("is understood alike in one piece and byte by byte", async () => {
    const whole = new Recorder();
    const client = await RawClient.open(await start(whole));
    client.send(SESSION);
    await whole.until("close");

    const bytewise = new Recorder();
    const slow = await RawClient.open(await start(bytewise));
    for (const byte of SESSION) {
      slow.send(Buffer.from([byte]));
      await nextTurn();
    }
    await bytewise.until("close");

    expect(bytewise.events).toEqual(whole.events);
    expect(whole.events).toMatchObject([
      {
        type: "connect",
        request: {
          clientId: "dev1",
          username: "user",
          password: Buffer.from("pass"),
          clean: true,
          keepAliveSecs: 60,
        },
      },
      { type: "topic", topic: "devices/dev1/messages/events/" },
      { type: "publish", body: Buffer.from("one"), qos: 1, packetId: 7, flags: { dup: true, retain: false } },
      { type: "publish", body: Buffer.from("two"), qos: 0, packetId: 0, flags: { dup: false, retain: true } },
      { type: "topic", topic: "größe/über/alles" },
      { type: "publish", body: Buffer.alloc(300, 0x78) },
      {
        type: "subscribe",
        packetId: 8,
        requests: [
          { filter: "a/#", qos: 1 },
          { filter: "b", qos: 1 },
        ],
      },
      { type: "unsubscribe", packetId: 9, filters: ["a/#"] },
      { type: "puback", packetId: 300 },
      { type: "close", reason: { code: "disconnect", graceful: true }, will: null },
    ]);
  });

  it("is answered in order", async () => {
    const client = await RawClient.open(await start(new Recorder()));
    client.send(SESSION);
    await client.closed;
    const expected = [
      CONNACK_OK,
      Buffer.from([0x40, 2, 0, 7]),
      Buffer.from([0x90, 4, 0, 8, 1, 1]),
      Buffer.from([0xb0, 2, 0, 9]),
      PINGRESP,
    ];
    expect(client.received).toEqual(Buffer.concat(expected));
  });

  it("carries the largest message there may be, both ways", async () => {
    const recorder = new Recorder();
    const client = await RawClient.accepted(await start(recorder));
    const payload = Buffer.alloc(262_144, "0123456789");
    client.send(publishPacket({ payload }));
    await recorder.until("publish");
    expect(recorder.of("publish")[0]!.body.equals(payload)).toBe(true);
    await client.take(4);

    const topic = Buffer.alloc(65_535, "t");
    recorder.connections[0]!.publish(topic, payload, 10, payload.length, 1, 513, true);
    const sent = publishPacket({
      topic: topic.toString(),
      payload: payload.subarray(10),
      messageId: 513,
      dup: true,
    });
    expect((await client.take(sent.length)).equals(sent)).toBe(true);
  });
});

describe("CONNECT", () => {
  class Undecided extends Recorder {
    override decide(): void {}
  }

  it("holds back everything behind it until the verdict [MQTT-3.1.4-5]", async () => {
    const recorder = new Undecided();
    const client = await RawClient.open(await start(recorder));
    client.send(connectPacket(), publishPacket({ payload: "early" }));
    await recorder.until("connect");
    client.send(publishPacket({ payload: "later" }));
    await turns(5);
    expect(bodies(recorder)).toEqual([]);
    recorder.connections[0]!.connack(0, true);
    expect(bodies(recorder)).toEqual([]);
    await recorder.until("publish", 2);
    expect(bodies(recorder)).toEqual(["early", "later"]);
    expect(await client.take(4)).toEqual(Buffer.from([0x20, 2, 1, 0]));
  });

  it("is answered with the code of the refusal, and nothing behind it is processed", async () => {
    const recorder = new Recorder();
    recorder.decide = (connection) => connection.connack(5, true);
    const never = new Sweep(1_000_000);
    const client = await RawClient.open(await start(recorder, { sweep: never }));
    client.send(connectPacket({ will: { topic: "w", payload: Buffer.from("gone") } }), publishPacket());
    await client.closed;
    expect(client.received).toEqual(Buffer.from([0x20, 2, 0, 5]));
    await never.emptied(); // the peer's end is seen; nobody lingers
    const [close] = await recorder.until("close");
    expect(close).toMatchObject({ reason: { code: "refused" }, will: null });
    expect(recorder.of("publish")).toEqual([]);
  });

  it("finds its connection closed when the verdict comes too late", async () => {
    const recorder = new Undecided();
    const sweep = new Sweep();
    const client = await RawClient.open(
      await start(recorder, { sweep, limits: { connectTimeoutMs: 3_000 } }),
    );
    client.send(connectPacket());
    await recorder.until("connect");
    for (let i = 0; i < 4; i++) sweep.advance();
    expect((await recorder.until("close"))[0]).toMatchObject({ reason: { code: "connect_timeout" } });
    recorder.connections[0]!.connack(0);
    await client.closed;
    expect(client.received).toHaveLength(0);
  });
});

describe("time", () => {
  it("closes a connection that sends no CONNECT, not a tick too early", async () => {
    const recorder = new Recorder();
    const sweep = new Sweep();
    const client = await RawClient.open(await start(recorder, { sweep }));
    client.send(Buffer.from([0x10])); // a first byte is no CONNECT
    while (sweep.size === 0) await nextTurn();
    for (let i = 0; i < 60; i++) sweep.advance();
    await turns(2);
    expect(recorder.of("close")).toEqual([]);
    sweep.advance();
    expect((await recorder.until("close"))[0]).toMatchObject({ reason: { code: "connect_timeout" } });
    await client.closed;
  });

  it.each([
    [10, 15],
    [1, 2],
    [0, 600],
    [65_535, 600],
  ])("keep-alive of %i s is over after %i s of silence [MQTT-3.1.2-24]", async (keepalive, secs) => {
    const recorder = new Recorder();
    const sweep = new Sweep();
    const client = await RawClient.accepted(await start(recorder, { sweep }), { keepalive });
    for (let i = 0; i < secs; i++) sweep.advance();
    await client.ping(); // at the last moment
    for (let i = 0; i < secs; i++) sweep.advance();
    await turns(2);
    expect(recorder.of("close")).toEqual([]);
    sweep.advance();
    expect((await recorder.until("close"))[0]).toMatchObject({ reason: { code: "keep_alive_timeout" } });
  });

  it("rests for a paused connection, which is closed when it stays paused", async () => {
    const recorder = new Recorder();
    const sweep = new Sweep();
    await RawClient.accepted(await start(recorder, { sweep }), { keepalive: 2 });
    recorder.connections[0]!.pause();
    for (let i = 0; i < 30; i++) sweep.advance();
    await turns(2);
    expect(recorder.of("close")).toEqual([]);
    sweep.advance();
    expect((await recorder.until("close"))[0]).toMatchObject({ reason: { code: "stalled" } });
  });

  it("ends a closing connection whose peer reads nothing", async () => {
    const recorder = new Recorder();
    const sweep = new Sweep();
    const client = await RawClient.accepted(await start(recorder, { sweep }));
    client.socket.pause();
    const [connection] = recorder.connections;
    for (let i = 0; i < 16; i++)
      connection!.publish(Buffer.from("t"), Buffer.alloc(400_000), 0, 400_000, 0, 0);
    await nextTurn();
    connection!.close("taken_over");
    await recorder.until("close");
    expect(sweep.size).toBe(1);
    for (let i = 0; i < 3; i++) sweep.advance();
    await sweep.emptied();
  });
});

describe("pause", () => {
  class OneAtATime extends Recorder {
    override take(connection: Connection): void {
      connection.pause();
    }
  }

  it("stops behind the packet at hand; resume goes on in order, and not before it has returned", async () => {
    const recorder = new OneAtATime();
    const client = await RawClient.accepted(await start(recorder));
    const sent = Array.from({ length: 100 }, (_, i) => `m${i}`);
    client.send(...sent.map((payload) => publishPacket({ qos: 0, payload })));
    for (let count = 1; count <= sent.length; count++) {
      await recorder.until("publish", count);
      await nextTurn();
      expect(bodies(recorder)).toEqual(sent.slice(0, count));
      recorder.connections[0]!.resume();
      expect(recorder.of("publish")).toHaveLength(count);
    }
  });

  it("leaves the rest in the sender's hands", async () => {
    const recorder = new Recorder();
    const client = await RawClient.accepted(await start(recorder));
    const [connection] = recorder.connections;
    connection!.pause();
    const payload = Buffer.alloc(100_000, 1);
    for (let i = 0; i < 200; i++) client.send(publishPacket({ qos: 0, payload }));
    await turns(50);
    expect(client.socket.writableLength).toBeGreaterThan(1_000_000);
    expect(recorder.of("publish")).toEqual([]);
    connection!.resume();
    await recorder.until("publish", 200);
    expect(recorder.of("publish").every(({ body }) => body.equals(payload))).toBe(true);
  });

  it("from within a call leaves the rest in the sender's hands as well", async () => {
    const recorder = new OneAtATime();
    const client = await RawClient.accepted(await start(recorder));
    const payload = Buffer.alloc(100_000, 1);
    for (let i = 0; i < 200; i++) client.send(publishPacket({ qos: 0, payload }));
    await turns(50);
    expect(client.socket.writableLength).toBeGreaterThan(1_000_000);
    expect(recorder.of("publish")).toHaveLength(1);
  });

  it("and resume within one call change nothing", async () => {
    const recorder = new Recorder();
    recorder.take = (connection) => {
      connection.pause();
      connection.resume();
    };
    const client = await RawClient.accepted(await start(recorder));
    client.send(...["a", "b", "c"].map((payload) => publishPacket({ qos: 0, payload })), PINGREQ);
    await client.take(2);
    expect(bodies(recorder)).toEqual(["a", "b", "c"]);
  });
});

describe("topics", () => {
  const send = (client: RawClient, ...topics: string[]) =>
    client.send(...topics.map((topic) => publishPacket({ qos: 0, topic, payload: topic })));

  it("are asked about once, as long as they are among the last four", async () => {
    const recorder = new Recorder();
    const client = await RawClient.accepted(await start(recorder));
    send(client, "a1", "a2", "a3", "a4", "a1", "a2", "a3", "a4", "a5", "a1", "a2");
    await recorder.until("publish", 11);
    expect(recorder.of("topic").map(({ topic }) => topic)).toEqual([
      "a1",
      "a2",
      "a3",
      "a4",
      "a5",
      "a1",
      "a2",
    ]);
    for (const { topic, body } of recorder.of("publish")) expect(topic).toBe(body.toString());
  });

  it("are told apart when one is the beginning or the end of another", async () => {
    const recorder = new Recorder();
    const client = await RawClient.accepted(await start(recorder));
    const topics = ["abc", "ab", "bc", "abcabc", "abd", "xbc"];
    send(client, ...topics, ...topics.toReversed(), ...topics);
    await recorder.until("publish", 18);
    for (const { topic, body } of recorder.of("publish")) expect(topic).toBe(body.toString());
  });

  it("are asked about again when they were forgotten", async () => {
    const recorder = new Recorder();
    recorder.take = (connection) => connection.forgetTopics();
    const client = await RawClient.accepted(await start(recorder));
    send(client, "a", "a", "b", "a");
    await recorder.until("publish", 4);
    expect(recorder.of("topic")).toHaveLength(4);
  });

  it("may close the connection: the message is then not handed on", async () => {
    const recorder = new Recorder();
    recorder.onTopic = (connection) => {
      connection.close("rejected");
      return "";
    };
    const client = await RawClient.accepted(await start(recorder));
    send(client, "a");
    await client.closed;
    expect(recorder.of("publish")).toEqual([]);
  });
});

describe("the end", () => {
  const will = {
    topic: "devices/dev1/messages/events/",
    payload: Buffer.from("gone"),
    qos: 1,
    retain: false,
  } as const;

  it.each<[string, string, (client: RawClient, connection: Connection) => void]>([
    ["a lost connection", "connection_lost", (client) => client.socket.end()],
    ["a violation", "packet_unexpected", (client) => client.send(packet(0xf0))],
    ["a decision of the hub", "taken_over", (_client, connection) => connection.close("taken_over")],
  ])("by %s brings the will, once [MQTT-3.1.2-8]", async (_name, code, end) => {
    const recorder = new Recorder();
    const client = await RawClient.accepted(await start(recorder), { will });
    const [connection] = recorder.connections;
    end(client, connection!);
    expect(recorder.of("close")).toEqual([]); // never from within a call
    await client.closed;
    connection!.close("shutdown");
    await listeners[0]!.close();
    expect(recorder.of("close")).toMatchObject([{ reason: { code, graceful: false }, will }]);
  });

  it("by DISCONNECT voids the will [MQTT-3.14.4-3]", async () => {
    const recorder = new Recorder();
    const client = await RawClient.accepted(await start(recorder), { will });
    client.send(DISCONNECT, publishPacket());
    await client.closed;
    expect(await recorder.until("close")).toMatchObject([{ reason: { code: "disconnect" }, will: null }]);
    expect(recorder.of("publish")).toEqual([]);
  });

  it("delivers what was said before", async () => {
    const recorder = new Recorder();
    recorder.take = (connection, _qos, packetId) => {
      connection.puback(packetId);
      connection.close("shutdown");
      connection.puback(999);
    };
    const client = await RawClient.accepted(await start(recorder));
    client.send(publishPacket({ messageId: 77 }), publishPacket({ messageId: 78 }));
    await client.closed;
    expect(client.received).toEqual(pubackPacket(77));
  });
});

describe("output", () => {
  it("beyond the bound closes a connection that does not read, and holds no more than that", async () => {
    const recorder = new Recorder();
    const client = await RawClient.accepted(
      await start(recorder, { limits: { backlogBytesMax: 1_000_000 } }),
    );
    client.socket.pause();
    const [connection] = recorder.connections;
    const body = Buffer.alloc(1_000, 1);
    let sent = 0;
    while (connection!.isOpen && sent < 100_000) {
      for (let i = 0; i < 100; i++) connection!.publish(Buffer.from("t"), body, 0, body.length, 0, 0);
      sent += 100;
      expect(connection!.writableBacklogBytes).toBeLessThan(1_200_000);
      await nextTurn();
    }
    expect((await recorder.until("close"))[0]).toMatchObject({ reason: { code: "slow_reader" } });
  });

  it("arrives whole and in order at a reader that stops and goes on", async () => {
    const recorder = new Recorder();
    const client = await RawClient.accepted(await start(recorder));
    const [connection] = recorder.connections;
    const source = Buffer.alloc(200_000);
    for (let i = 0; i < source.length; i++) source[i] = i * 7;
    const expected: Buffer[] = [];
    for (let i = 0; i < 120; i++) {
      if (i % 40 === 10) client.socket.pause();
      if (i % 40 === 30) client.socket.resume();
      const length = (i * 7919) % 90_000;
      const topic = `topic/${i}`;
      connection!.publish(Buffer.from(topic), source, i, i + length, 1, i + 1);
      expected.push(publishPacket({ topic, payload: source.subarray(i, i + length), messageId: i + 1 }));
      if (i % 3 === 0) await nextTurn();
    }
    client.socket.resume();
    const all = Buffer.concat(expected);
    expect((await client.take(all.length)).equals(all)).toBe(true);
    while (connection!.writableBacklogBytes > 0) await nextTurn();
  });

  it("of many connections in one turn is not mixed up", async () => {
    const recorder = new Recorder();
    const port = await start(recorder);
    const clients = await Promise.all(
      Array.from({ length: 20 }, (_, i) => RawClient.accepted(port, { clientId: `d${i}` })),
    );
    for (let round = 0; round < 50; round++) {
      for (const connection of recorder.connections) {
        const body = Buffer.from(`${connection.clientId} ${round} `.repeat(1 + ((round * 13) % 600)));
        connection.publish(Buffer.from(connection.clientId), body, 0, body.length, 0, 0);
      }
      if (round % 5 === 0) await nextTurn();
    }
    for (const [i, client] of clients.entries()) {
      for (let round = 0; round < 50; round++) {
        const payload = `d${i} ${round} `.repeat(1 + ((round * 13) % 600));
        const sent = publishPacket({ topic: `d${i}`, payload, qos: 0 });
        expect((await client.take(sent.length)).equals(sent)).toBe(true);
      }
    }
  });
});
