/** WebSockets of well-behaved clients and of others, against the listener and a real hub. */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import mqtt from "mqtt";
import { WebSocket } from "ws";
import { MqttConnection } from "../../../hub/mqtt/connection.ts";
import type { Listener } from "../../../hub/mqtt/listener.ts";
import { MQTT_LIMITS } from "../../../hub/mqtt/limits.ts";
import { MESSAGE_BYTES_MAX } from "../../../hub/websocket/limits.ts";
import { listenWeb, type WebListenOptions } from "../../../hub/websocket/listener.ts";
import { connectPacket, publishPacket } from "../mqtt/raw-client.ts";
import { selfSigned } from "../mqtt/certificate.ts";
import { Recorder } from "../mqtt/recorder.ts";

const PATH = "/$iothub/websocket";
const tls = selfSigned();

let handler: Recorder;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function start(options: Partial<WebListenOptions> = {}): Promise<Listener> {
  const served = (handler = new Recorder());
  const heads: WebListenOptions["heads"] = {
    mqtt: (stream, peer, sweep) => void new MqttConnection(stream, served, sweep, MQTT_LIMITS, peer),
    amqp: () => expect.unreachable(),
  };
  const listener = await listenWeb({ protocol: "http", host: "127.0.0.1", port: 0, heads, ...options });
  cleanups.push(() => listener.close());
  return listener;
}

async function socketTo(port: number): Promise<Socket & { text: string }> {
  const socket = Object.assign(connect(port, "127.0.0.1"), { text: "" });
  socket.on("data", (bytes: Buffer) => (socket.text += bytes.toString("latin1")));
  socket.on("error", () => undefined);
  cleanups.push(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

const upgrade = (path: string, fields: Record<string, string>): string =>
  [
    `GET ${path} HTTP/1.1`,
    "Host: gw",
    ...Object.entries({
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Protocol": "mqtt",
      ...fields,
    }).map(([name, value]) => `${name}: ${value}`),
    "\r\n",
  ].join("\r\n");

async function refusal(port: number, text: string): Promise<string> {
  const socket = await socketTo(port);
  socket.write(text);
  await once(socket, "close");
  return socket.text.split("\r\n", 1)[0]!;
}

async function openSocket(port: number, protocols: string | string[] = "mqtt"): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${PATH}`, protocols);
  ws.on("error", () => undefined);
  cleanups.push(() => ws.terminate());
  await once(ws, "open");
  return ws;
}

async function expectAlive(port: number): Promise<void> {
  const ws = await openSocket(port);
  ws.send(connectPacket());
  const [connack] = (await once(ws, "message")) as [Buffer];
  expect(connack.toString("hex")).toBe("20020000");
  ws.terminate();
}

describe.each(["http", "https"] as const)("mqtt.js in a WebSocket over %s", (protocol) => {
  it("publishes and receives, small and large", async () => {
    const { port } = await start({ protocol, ...(protocol === "https" ? { tls } : {}) });
    const client = await mqtt.connectAsync(
      `${protocol === "https" ? "wss" : "ws"}://127.0.0.1:${port}${PATH}?iothub-no-client-cert=true`,
      { clientId: "dev1", protocolVersion: 4, reconnectPeriod: 0, rejectUnauthorized: false },
    );
    cleanups.push(() => client.endAsync(true));
    await client.subscribeAsync("t/#");
    const sizes = [0, 1, 125, 126, 65_535, 65_536, 200_000];
    const echoed: number[] = [];
    const allEchoed = new Promise<void>((resolve) => {
      client.on("message", (_topic, body) => void (echoed.push(body.length) === sizes.length && resolve()));
    });
    for (const size of sizes) await client.publishAsync("t/x", Buffer.alloc(size, size & 255), { qos: 1 });
    expect(handler.of("publish").map(({ body }) => body.length)).toEqual(sizes);
    expect(
      handler.of("publish").every(({ body }) => body.equals(Buffer.alloc(body.length, body.length & 255))),
    ).toBe(true);
    const [connection] = handler.connections;
    expect(connection).toMatchObject({ isSecure: protocol === "https", remoteAddress: "127.0.0.1" });
    for (const size of sizes) connection!.publish(Buffer.from("t/x"), Buffer.alloc(size), 0, size, 0, 0);
    await allEchoed;
    expect(echoed).toEqual(sizes);
    expect(connection!.writableBacklogBytes).toBe(0);
  });
});

describe("an upgrade is refused", () => {
  let listener: Listener;
  beforeAll(async () => {
    listener = await start();
    cleanups.length = 0;
  });
  afterAll(() => listener.close());

  it.each([
    ["to another path with 404", "/", {}, "HTTP/1.1 404 Not Found"],
    ["without subprotocol with 400", PATH, { "Sec-WebSocket-Protocol": "chat" }, "HTTP/1.1 400 Bad Request"],
    ["to another protocol with 400", PATH, { Upgrade: "h2c" }, "HTTP/1.1 400 Bad Request"],
    ["of another version with 400", PATH, { "Sec-WebSocket-Version": "7" }, "HTTP/1.1 400 Bad Request"],
    ["without a proper key with 400", PATH, { "Sec-WebSocket-Key": "x" }, "HTTP/1.1 400 Bad Request"],
    [
      "with more header than may be with 431",
      PATH,
      { Cookie: "c".repeat(20_000) },
      "HTTP/1.1 431 Request Header Fields Too Large",
    ],
  ])("%s", async (_name, path, fields, status) => {
    expect(await refusal(listener.port, upgrade(path, fields as Record<string, string>))).toBe(status);
    await expectAlive(listener.port);
  });

  it("when it is no HTTP at all", async () => {
    expect(await refusal(listener.port, "\u0010\u0012\u0000\u0004MQTT\r\n\r\n")).toBe(
      "HTTP/1.1 400 Bad Request",
    );
    await expectAlive(listener.port);
  });
});

describe("who is too slow is cut", () => {
  const limits = { headerTimeoutMs: 60, requestTimeoutMs: 60, keepAliveTimeoutMs: 60, checkEveryMs: 20 };

  it("when it sends nothing, and when it sends half of a header", async () => {
    const { port } = await start({ limits });
    const silent = await socketTo(port);
    const slow = await socketTo(port);
    slow.write(upgrade(PATH, {}).slice(0, 60));
    await Promise.all([once(silent, "close"), once(slow, "close")]);
    expect(slow.text).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe("a WebSocket ends, and the listener goes on, when the peer", () => {
  const masked = (first: number, length: number[], body = Buffer.alloc(0)) =>
    Buffer.concat([Buffer.from([first, length[0]! | 0x80, ...length.slice(1), 0, 0, 0, 0]), body]);
  const long = (bytes: number) => {
    const at = Buffer.alloc(9);
    at[0] = 127;
    at.writeBigUInt64BE(BigInt(bytes), 1);
    return [...at];
  };

  it.each([
    ["sends text", masked(0x81, [5], Buffer.from("hello"))],
    ["does not mask", Buffer.from([0x82, 1, 0])],
    ["sets reserved bits", masked(0xf2, [0])],
    ["uses an unknown opcode", masked(0x83, [0])],
    ["continues nothing", masked(0x80, [0])],
    ["announces a frame that is too large", masked(0x82, long(MESSAGE_BYTES_MAX.mqtt + 1))],
    ["announces a frame beyond all measure", masked(0x82, long(Number.MAX_SAFE_INTEGER))],
    [
      "cuts a message into too many pieces",
      Buffer.concat(
        Array.from({ length: 5_000 }, (_, i) => masked(i === 0 ? 0x02 : 0x00, [1], Buffer.from([0]))),
      ),
    ],
    [
      "cuts a message that is too large",
      Buffer.concat(
        Array.from({ length: 4 }, (_, i) =>
          masked(i === 0 ? 0x02 : 0x00, long(100_000), Buffer.alloc(100_000)),
        ),
      ),
    ],
    ["sends what is no MQTT", masked(0x82, [2], Buffer.from([0xff, 0]))],
    ["sends a closing frame with half a code", masked(0x88, [1], Buffer.from([3]))],
  ])("%s", async (_name, bytes) => {
    const { port } = await start();
    const socket = await socketTo(port);
    socket.write(upgrade(PATH, {}));
    while (!socket.text.includes("\r\n\r\n")) await once(socket, "data");
    expect(socket.text).toMatch(/^HTTP\/1\.1 101 .*Sec-WebSocket-Protocol: mqtt\r\n/s);
    socket.write(bytes);
    await once(socket, "close");
    await expectAlive(port);
  });
});

it("offers no compression, and answers with the subprotocol as it was spelt", async () => {
  const { port } = await start();
  const ws = await openSocket(port, ["chat", "MQTT"]);
  expect([ws.protocol, ws.extensions]).toEqual(["MQTT", ""]);
});

it("a paused connection leaves what comes in the network, and goes on where it stopped", async () => {
  const { port } = await start();
  const ws = await openSocket(port);
  ws.send(connectPacket());
  await once(ws, "message");
  const [connection] = handler.connections;
  connection!.pause();
  const payload = Buffer.alloc(200_000);
  const count = 100;
  for (let id = 1; id <= count; id++) ws.send(publishPacket({ payload, messageId: id }));
  ws.ping();
  let isAnswered = false;
  ws.once("pong", () => (isAnswered = true));
  await expect.poll(() => handler.of("publish").length).toBe(0);
  // More than all buffers on the way hold: it waits in the client.
  expect(ws.bufferedAmount).toBeGreaterThan(payload.length * 20);
  expect(isAnswered).toBe(false);
  connection!.resume();
  await handler.until("publish", count);
  expect(handler.of("publish").map(({ packetId }) => packetId)).toEqual(
    Array.from({ length: count }, (_, i) => i + 1),
  );
});

it("what a peer does not read counts as backlog, and too much of it ends the connection", async () => {
  const { port } = await start();
  const ws = await openSocket(port);
  ws.send(connectPacket());
  await once(ws, "message");
  ws.pause();
  const [connection] = handler.connections;
  const body = Buffer.alloc(256 * 1024);
  for (let i = 0; i < 200 && connection!.isOpen; i++) {
    connection!.publish(Buffer.from("t"), body, 0, body.length, 0, 0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await handler.until("close"))[0]!.reason.code).toBe("slow_reader");
});

it("closing tells every client and frees the port", async () => {
  const listener = await start();
  const ws = await openSocket(listener.port);
  ws.send(connectPacket());
  await once(ws, "message");
  const idle = await socketTo(listener.port);
  const ended = Promise.all([once(ws, "close"), once(idle, "close")]);
  await listener.close();
  await ended;
  expect((await handler.until("close"))[0]!.reason.code).toBe("shutdown");
  expect((await start({ port: listener.port })).port).toBe(listener.port);
});

it("more connections than may be are closed as they come", async () => {
  const { port } = await start({ connectionsMax: 1 });
  const first = await socketTo(port);
  const second = await socketTo(port);
  await once(second, "close");
  first.destroy();
});

describe("requests", () => {
  const ask = (port: number, method: string, path: string, body = ""): Promise<[number, unknown]> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(
        { host: "127.0.0.1", port, method, path, agent: false },
        (response: IncomingMessage) => {
          let text = "";
          response.on("data", (bytes: Buffer) => (text += bytes.toString()));
          response.on("end", () => resolve([response.statusCode!, JSON.parse(text)]));
        },
      );
      request.on("error", reject);
      request.end(body);
    });
  const errors: Error[] = [];
  const routes: WebListenOptions["routes"] = [
    {
      method: "POST",
      path: /\/twins\/[^/]+\/methods/,
      bodyBytesMax: 10,
      answer: async ({ path, query, body }) => ({
        status: 200,
        body: [path, query.get("v"), body.toString()],
      }),
    },
    { method: "GET", path: /\/bad/, answer: async () => Promise.reject(new Error("secret")) },
  ];

  it("reach the route of their method and whole path, with a bounded body", async () => {
    const { port } = await start({ routes, onError: (error) => errors.push(error) });
    expect(await ask(port, "POST", "/twins/d/methods?v=1", "hello")).toEqual([
      200,
      ["/twins/d/methods", "1", "hello"],
    ]);
    expect(await ask(port, "POST", "/twins/d/methods", "hello world")).toEqual([
      413,
      { Message: "body is too large" },
    ]);
    const missing = { Message: "no such resource" };
    expect(await ask(port, "GET", "/twins/d/methods")).toEqual([404, missing]);
    expect(await ask(port, "POST", "/x/twins/d/methods")).toEqual([404, missing]);
    expect(await ask(port, "GET", PATH)).toEqual([404, missing]);
    expect(await ask(port, "GET", "/bad")).toEqual([500, { Message: "request failed" }]);
    expect(errors.map(({ message }) => message)).toEqual(["secret"]);
  });
});
