/** What TLS listeners have in common: versions, resumption, replaced certificates, bounds on handshakes. */
import { once } from "node:events";
import { connect as connectPlain, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { listen, type Listener } from "../../../hub/mqtt/listener.ts";
import { boundHandshakes, surplus } from "../../../hub/mqtt/tls-server.ts";
import { listenWeb } from "../../../hub/websocket/listener.ts";
import { createServer } from "node:tls";
import type { AddressInfo } from "node:net";
import { selfSigned } from "./certificate.ts";
import { connectPacket } from "./raw-client.ts";
import { Recorder } from "./recorder.ts";

const [first, second] = [selfSigned(), selfSigned()];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const STARTS: Readonly<Record<"mqtts" | "https", () => Promise<Listener>>> = {
  mqtts: () => listen({ protocol: "mqtts", host: "127.0.0.1", port: 0, tls: first, handler: new Recorder() }),
  https: () => {
    const heads = { mqtt: () => undefined, amqp: () => undefined };
    return listenWeb({ protocol: "https", host: "127.0.0.1", port: 0, tls: first, heads });
  },
};

async function start(protocol: keyof typeof STARTS): Promise<Listener> {
  const listener = await STARTS[protocol]();
  cleanups.push(() => listener.close());
  return listener;
}

async function open(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
  cleanups.push(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

/** A ticket comes with TLS 1.3 after the handshake, with what is read first. */
async function ticketOf(port: number, options: ConnectionOptions): Promise<Buffer> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
  const session = once(socket, "session") as Promise<[Buffer]>;
  socket.on("data", () => undefined);
  const [ticket] = await session;
  socket.destroy();
  return ticket;
}

describe.each(["mqtts", "https"] as const)("%s", (protocol) => {
  it.each(["TLSv1.2", "TLSv1.3"] as const)("resumes a session over %s", async (version) => {
    const { port } = await start(protocol);
    const options = { minVersion: version, maxVersion: version };
    const fresh = await open(port, options);
    expect([fresh.getProtocol(), fresh.isSessionReused()]).toEqual([version, false]);
    const session = await ticketOf(port, options);
    for (let again = 0; again < 2; again++) {
      expect((await open(port, { ...options, session })).isSessionReused()).toBe(true);
    }
  });

  it("speaks nothing older than TLS 1.2", async () => {
    const { port } = await start(protocol);
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(open(port, old)).rejects.toMatchObject({ code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" });
  });

  it("shows another certificate to who comes next, resumed or not", async () => {
    const listener = await start(protocol);
    const session = await ticketOf(listener.port, {});
    const before = (await open(listener.port)).getPeerCertificate().fingerprint256;
    listener.setCertificate(second);
    const next = await open(listener.port, { session });
    expect(next.isSessionReused()).toBe(false);
    expect(next.getPeerCertificate().fingerprint256).not.toBe(before);
  });

  it("keeps the certificate it has when the other cannot be used", async () => {
    const listener = await start(protocol);
    const before = (await open(listener.port)).getPeerCertificate().fingerprint256;
    const mixed = { key: first.key, cert: second.cert };
    expect(() => listener.setCertificate(mixed)).toThrow(expect.objectContaining({ code: "SP_LISTEN_TLS" }));
    expect((await open(listener.port)).getPeerCertificate().fingerprint256).toBe(before);
  });
});

it("a connection outlives the certificate it began with", async () => {
  const listener = await start("mqtts");
  const client = await open(listener.port);
  listener.setCertificate(second);
  client.write(connectPacket());
  const [connack] = (await once(client, "data")) as [Buffer];
  expect(connack.toString("hex")).toBe("20020000");
});

describe("too many handshakes", () => {
  const limits = { handshakesMax: 2, dawdleMs: 100 };
  const handshake = (place: string, sinceMs: number) => ({ place, sinceMs, socket: {} as Socket });
  const underWay = new Map([
    ["a", handshake("a", 0)],
    ["b", handshake("b", 50)],
  ]);

  it("cost the oldest its place when it dawdles, and else the newcomer", () => {
    const [prompt, late] = [handshake("c", 100), handshake("c", 101)];
    expect(surplus(underWay, prompt, limits)).toBe(prompt);
    expect(surplus(underWay, late, limits)).toBe(underWay.get("a"));
    expect(surplus(underWay, late, { ...limits, handshakesMax: 3 })).toBeNull();
  });

  it("from peers that say nothing do not keep others out", async () => {
    const server = createServer(first, (socket) => socket.end("hello"));
    server.on("tlsClientError", () => undefined);
    let turnedAway = 0;
    boundHandshakes(server, () => turnedAway++, { handshakesMax: 3, dawdleMs: 0 });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanups.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const silent: Socket[] = [];
    for (let i = 0; i < 3; i++) {
      const socket = connectPlain(port, "127.0.0.1").on("error", () => undefined);
      cleanups.push(() => socket.destroy());
      await once(socket, "connect");
      silent.push(socket);
    }
    const cut = once(silent[0]!, "close");
    const [hello] = (await once(await open(port), "data")) as [Buffer];
    expect(hello.toString()).toBe("hello");
    await cut;
    expect(turnedAway).toBe(1);
    // Whose handshake is over is no longer counted.
    await open(port);
  });
});
