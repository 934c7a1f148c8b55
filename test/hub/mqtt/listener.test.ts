import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { ListenError, listen, type ListenOptions, type Listener } from "../../../hub/mqtt/listener.ts";
import { MqttConnection } from "../../../hub/mqtt/connection.ts";
import { Sweep } from "../../../hub/mqtt/sweep.ts";
import { selfSigned } from "./certificate.ts";
import { connectPacket, PINGREQ, publishPacket, RawClient } from "./raw-client.ts";
import { Recorder } from "./recorder.ts";

const tls = selfSigned();

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function start(options: Partial<ListenOptions<string, string>> = {}): Promise<Listener> {
  const handler = new Recorder();
  const listener = await listen({ protocol: "mqtt", host: "127.0.0.1", port: 0, handler, ...options });
  cleanups.push(() => listener.close());
  return listener;
}

async function busyPort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function secureClient(port: number): Promise<RawClient> {
  const socket: TLSSocket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
  const client = new RawClient(socket);
  await new Promise<void>((resolve) => socket.once("secureConnect", resolve));
  return client;
}

const errorOf = (promise: Promise<unknown>): Promise<ListenError> =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error as ListenError,
  );

describe("a port that is busy", () => {
  it("is stepped over as often as allowed", async () => {
    const port = await busyPort();
    const listener = await start({ port, portsToTry: 50 });
    expect(listener.port).toBeGreaterThan(port);
    expect(listener.port).toBeLessThanOrEqual(port + 50);
    (await RawClient.accepted(listener.port)).destroy();
  });

  it("is an error with its number when no step is allowed", async () => {
    const port = await busyPort();
    const error = await errorOf(start({ port }));
    expect(error).toBeInstanceOf(ListenError);
    expect(error.code).toBe("SP_LISTEN_PORT_BUSY");
    expect(error.message).toBe(`mqtt listener: port ${port} on "127.0.0.1" is in use`);
  });
});

it.each([
  ["an address of another machine", { host: "192.0.2.1" }, "SP_LISTEN_ADDRESS"],
  ["a port that is no port", { port: 70_000 }, "SP_LISTEN_ADDRESS"],
  ["mqtts without a certificate", { protocol: "mqtts" }, "SP_LISTEN_TLS"],
  ["mqtts with a broken key", { protocol: "mqtts", tls: { key: "-", cert: "-" } }, "SP_LISTEN_TLS"],
] as const)("%s is an error with a hint", async (_name, options, code) => {
  const error = await errorOf(start(options));
  expect(error).toMatchObject({ name: "ListenError", code });
  expect(error.hint).toBeTruthy();
});

describe("the limit on connections", () => {
  it("closes what is too many, and takes others when some have gone", async () => {
    const errors: string[] = [];
    const listener = await start({
      connectionsMax: 2,
      onError: (error) => errors.push((error as ListenError).code),
    });
    const first = await RawClient.accepted(listener.port);
    await RawClient.accepted(listener.port);
    const third = await RawClient.open(listener.port);
    await third.closed;
    expect(errors).toEqual(["SP_LISTEN_CONNECTIONS"]);
    first.destroy();
    while (listener.connections > 1) await new Promise((resolve) => setImmediate(resolve));
    await (await RawClient.accepted(listener.port)).ping();
  });

  it("counts TLS handshakes as well", async () => {
    const errors: string[] = [];
    const listener = await start({
      protocol: "mqtts",
      tls,
      connectionsMax: 1,
      onError: (error) => errors.push((error as ListenError).code),
    });
    const idle = await RawClient.open(listener.port);
    await (
      await RawClient.open(listener.port)
    ).closed;
    expect(errors).toEqual(["SP_LISTEN_CONNECTIONS"]);
    idle.destroy();
  });
});

describe("over TLS", () => {
  it("a client is served like any other", async () => {
    const handler = new Recorder();
    const listener = await start({ protocol: "mqtts", tls, handler });
    const client = await secureClient(listener.port);
    const payload = Buffer.alloc(200_000, "ab");
    client.send(connectPacket(), publishPacket({ payload }), PINGREQ);
    expect((await client.take(10)).toString("hex")).toBe("20020000400200" + "01d000");
    expect(handler.of("publish")[0]!.body.equals(payload)).toBe(true);
    expect(handler.connections[0]!.isSecure).toBe(true);

    handler.connections[0]!.publish(Buffer.from("t"), payload, 0, payload.length, 0, 0);
    const sent = publishPacket({ topic: "t", payload, qos: 0 });
    expect((await client.take(sent.length)).equals(sent)).toBe(true);
  });

  it("a client that speaks no TLS is dropped and reported", async () => {
    const errors: Error[] = [];
    const listener = await start({ protocol: "mqtts", tls, onError: (error) => errors.push(error) });
    const client = await RawClient.open(listener.port);
    client.send(connectPacket());
    await client.closed;
    expect(errors).toHaveLength(1);
    const good = await secureClient(listener.port);
    good.send(connectPacket());
    await good.take(4);
  });
});

describe("close", () => {
  it("tells every connection and frees the port", async () => {
    const handler = new Recorder();
    const listener = await start({ handler });
    const clients = await Promise.all([RawClient.accepted(listener.port), RawClient.accepted(listener.port)]);
    await listener.close();
    await Promise.all(clients.map(({ closed }) => closed));
    expect(handler.of("close").map(({ reason }) => reason.code)).toEqual(["shutdown", "shutdown"]);
    const again = await start({ port: listener.port });
    expect(again.port).toBe(listener.port);
  });

  it("does not wait for a TLS handshake that never ends", async () => {
    const listener = await start({ protocol: "mqtts", tls });
    const client = await RawClient.open(listener.port);
    await listener.close();
    await client.closed;
  });
});

it("a connection that is being accepted while the listener closes is closed as well", async () => {
  const never = new Sweep(1_000_000);
  const handler = new Recorder();
  const listener = await listen({
    protocol: "mqtts",
    tls,
    host: "127.0.0.1",
    port: 0,
    handler,
    sweep: never,
  });
  const lingering = await secureClient(listener.port);
  lingering.send(connectPacket());
  await lingering.take(4);
  lingering.socket.allowHalfOpen = true;
  const late = connect({ host: "127.0.0.1", port: listener.port });
  await new Promise((resolve) => late.once("connect", resolve));
  while (listener.connections < 1) await new Promise((resolve) => setImmediate(resolve));

  const closing = listener.close();
  const client = new RawClient(connectTls({ socket: late, rejectUnauthorized: false }));
  await client.closed;
  expect(listener.connections).toBe(1);
  lingering.destroy();
  await closing;
});

it("the server that accepted a socket counts it off", async () => {
  const handler = new Recorder();
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    new MqttConnection(socket, handler, new Sweep());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  (await RawClient.accepted((server.address() as AddressInfo).port)).destroy();
  await new Promise((resolve) => server.close(resolve));
});

it("a socket whose handle is not the one we know is read by ordinary events", async () => {
  const handler = new Recorder();
  const sweep = new Sweep();
  const server = createServer({ pauseOnConnect: true }, (socket: Socket) => {
    const { _handle: handle } = socket as unknown as { _handle: object };
    Object.defineProperty(handle, "useUserBuffer", { value: undefined });
    new MqttConnection(socket, handler, sweep);
    // The connection kept the socket it was given.
    expect(socket.destroyed).toBe(false);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close());
  const client = await RawClient.accepted((server.address() as AddressInfo).port);
  const payload = Buffer.alloc(200_000, "xyz");
  client.send(publishPacket({ payload }));
  await client.take(4);
  expect(handler.of("publish")[0]!.body.equals(payload)).toBe(true);
  handler.connections[0]!.pause();
  client.send(publishPacket({ payload: "later" }));
  await new Promise((resolve) => setImmediate(resolve));
  handler.connections[0]!.resume();
  expect((await handler.until("publish", 2))[1]!.body.toString()).toBe("later");
  client.destroy();
  await handler.until("close");
});

it("a hundred connections that come and go leave nothing behind", async () => {
  const listener = await start();
  for (let round = 0; round < 10; round++) {
    const sockets = Array.from({ length: 10 }, () => connect(listener.port, "127.0.0.1"));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    for (const [i, socket] of sockets.entries()) {
      socket.on("error", () => {});
      if (i % 2 === 0) socket.resetAndDestroy();
      else socket.end(connectPacket());
      socket.resume();
    }
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  }
  while (listener.connections > 0) await new Promise((resolve) => setImmediate(resolve));
});
