import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqttPacket, { type IConnectPacket, type Packet } from "mqtt-packet";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { compiled, findCompiler } from "./compile.ts";
import { writeClients } from "./credentials.ts";
import { faultsOf, runLoad, type LoadShape, type LoadTarget } from "./load.ts";
import { freePort, startServer } from "./server-process.ts";

const BRIEF = { warmup: 0.05, secs: 0.15, drain: 0.2 };
const EVERY = 1000;
const PIPELINED: LoadShape = { publishers: 3, window: 50 };

const folder = mkdtempSync(join(tmpdir(), "bench-load-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A broker that keeps nothing, with or without a fault in every so many messages. */
async function echo(...fault: string[]): Promise<LoadTarget & { readonly pid: number }> {
  const server = await startServer(compiled("echo"), fault);
  onTestFinished(() => server.stop());
  const { value } = await server.lines.next();
  return { port: Number(value), pid: server.pid };
}

// The generator and the echo are C programs: without a compiler there is nothing to test.
describe.skipIf(findCompiler() === null)("the load generator", () => {
  // Not in the first test's time: a cold compiler takes seconds.
  beforeAll(() => [compiled("load"), compiled("echo")]);

  test("finds nothing wrong with a broker that delivers everything once and in order", async () => {
    const result = await runLoad(await echo(), PIPELINED, BRIEF);
    expect(faultsOf(result)).toEqual([]);
    expect(result.sent).toBeGreaterThan(EVERY);
    expect(result).toMatchObject({ acked: result.sent, received: result.sent });
  });

  // A message swapped with the next one shows when there was a next one.
  const faults = [
    ["lose", "lost", 0],
    ["double", "duplicates", 0],
    ["swap", "outOfOrder", 1],
    ["corrupt", "badPayloads", 0],
    ["stray", "strayAcks", 0],
  ] as const;
  test.for(faults)("counts every message of a broker that will %s some", async ([fault, count, unseen]) => {
    const result = await runLoad(await echo(fault, String(EVERY)), { publishers: 1, window: 50 }, BRIEF);
    expect(result[count]).toBe(Math.floor((result.sent - unseen) / EVERY));
    expect(result[count]).toBeGreaterThan(0);
    expect(faultsOf(result).join()).toContain(`${count} ${result[count]}`);
  });

  test("sends at the rate it is told, and no faster", async () => {
    const result = await runLoad(
      await echo(),
      { publishers: 4, window: 10, rate: 500 },
      { ...BRIEF, secs: 0.4 },
    );
    expect(faultsOf(result)).toEqual([]);
    expect(result.receivedPerSecond).toBeGreaterThan(450);
    expect(result.receivedPerSecond).toBeLessThan(550);
  });

  test("measures the messages sent in the measured time, not those of the warm-up", async () => {
    const shape = { publishers: 1, window: 10, rate: 1000 };
    const result = await runLoad(await echo(), shape, { warmup: 0.3, secs: 0.1 });
    expect(result.sent).toBeGreaterThan(350);
    expect(result.ackMicros.count).toBeLessThan(150);
    expect(result.endToEndMicros.count).toBe(result.ackMicros.count);
  });

  test("ends when as many messages as it was told have come through", async () => {
    const result = await runLoad(
      await echo(),
      { publishers: 4, window: 10, messages: 2000 },
      { warmup: 0, secs: 20 },
    );
    expect(faultsOf(result)).toEqual([]);
    expect(result).toMatchObject({ sent: 2000, acked: 2000, received: 2000 });
    expect(result.seconds).toBeLessThan(10);
  });

  test("reports each whole second by itself when it is asked to", async () => {
    const shape = { publishers: 1, window: 10, rate: 1000, timeline: true };
    const { ackP99BySecond, ackMicros } = await runLoad(await echo(), shape, { warmup: 0, secs: 1.2 });
    expect(ackP99BySecond).toHaveLength(1);
    expect(ackP99BySecond![0]).toBeGreaterThan(0);
    expect(ackP99BySecond![0]).toBeLessThanOrEqual(ackMicros.max);
  });

  test("knows the processor time of the server it loads", async () => {
    const target = await echo();
    const result = await runLoad(target, PIPELINED, BRIEF);
    const seconds = (result.serverCpuMicrosPerMessage * result.receivedPerSecond * result.seconds) / 1e6;
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(result.seconds * 1.1);
  });

  test("keeps each publisher within its window of unacknowledged messages", async () => {
    const { port, unacknowledged } = await silentBroker();
    const result = await runLoad({ port }, { publishers: 2, window: 7 }, { ...BRIEF, drain: 0 });
    expect([...unacknowledged.values()]).toEqual([7, 7]);
    expect(result).toMatchObject({ sent: 14, unacked: 14, lost: 14 });
  });

  test("connects each client as its line of the identity file says", async () => {
    const { port, connects, published, subscribed } = await silentBroker();
    const line = (clientId: string, topic: string) => ({
      clientId,
      username: `${clientId}-user`,
      password: "",
      topic,
    });
    const devices = [line("dev0", "in/0"), { ...line("dev1", "in/1"), password: "token" }];
    const target = {
      port,
      publisherIdentities: writeClients(join(folder, "publishers"), devices),
      subscriberIdentities: writeClients(join(folder, "subscribers"), [line("sink", "out/#")]),
    };
    await runLoad(target, { publishers: 2, window: 1 }, { ...BRIEF, drain: 0 });
    expect(
      connects.map(({ clientId, username, password }) => [clientId, username, password?.toString()]),
    ).toEqual([
      ["sink", "sink-user", undefined],
      ["dev0", "dev0-user", undefined],
      ["dev1", "dev1-user", "token"],
    ]);
    expect(published).toEqual(new Set(["in/0", "in/1"]));
    expect(subscribed).toEqual(["out/#"]);
  });

  test("says who was refused, and with which return code", async () => {
    const { port } = await silentBroker(5);
    await expect(runLoad({ port }, PIPELINED, BRIEF)).rejects.toThrow("subscriber 0: refused, return code 5");
  });

  test("says when nobody listens", async () => {
    const port = await freePort();
    await expect(runLoad({ port }, PIPELINED, BRIEF)).rejects.toThrow(
      `connect to 127.0.0.1:${port}: Connection refused`,
    );
  });

  test("counts a connection that the server drops, and ends there", async () => {
    const { port, server } = await silentBroker();
    server.once("connection", (subscriber) =>
      server.once("connection", () => setTimeout(() => subscriber.destroy(), 100)),
    );
    const result = await runLoad({ port }, { publishers: 1, window: 5 }, { ...BRIEF, secs: 20 });
    expect(result.disconnected).toBe(1);
    expect(result.seconds).toBeLessThan(5);
  });

  test("refuses an identity file with too few lines", async () => {
    const publisherIdentities = join(folder, "short");
    writeFileSync(publisherIdentities, "dev0\t\t\tin/0\n");
    const run = runLoad({ port: 1, publisherIdentities }, { publishers: 2, window: 1 }, BRIEF);
    await expect(run).rejects.toThrow(`identities '${publisherIdentities}': 1 lines, expected 2`);
  });
});

test("a file of tokens is its owner's alone", () => {
  const path = writeClients(join(folder, "tokens"), [
    { clientId: "a", username: "b", password: "c", topic: "d" },
  ]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, "utf8")).toBe("a\tb\tc\td\n");
});

interface SilentBroker {
  readonly server: Server;
  readonly port: number;
  readonly connects: IConnectPacket[];
  readonly published: Set<string>;
  readonly subscribed: string[];
  /** By client id. */
  readonly unacknowledged: Map<string, number>;
}

/** Lets clients in and takes what they send, but acknowledges and delivers nothing. */
async function silentBroker(returnCode = 0): Promise<SilentBroker> {
  const server = createServer().listen(0, "127.0.0.1");
  const seen = {
    connects: [] as IConnectPacket[],
    published: new Set<string>(),
    subscribed: [] as string[],
    unacknowledged: new Map<string, number>(),
  };
  server.on("connection", (socket) => {
    const parser = mqttPacket.parser();
    let clientId = "";
    parser.on("packet", (packet: Packet) => {
      if (packet.cmd === "connect") {
        clientId = packet.clientId;
        seen.connects.push(packet);
        socket.write(mqttPacket.generate({ cmd: "connack", returnCode, sessionPresent: false }));
      } else if (packet.cmd === "subscribe") {
        seen.subscribed.push(...packet.subscriptions.map((s) => s.topic));
        socket.write(mqttPacket.generate({ cmd: "suback", messageId: packet.messageId!, granted: [1] }));
      } else if (packet.cmd === "publish") {
        seen.published.add(packet.topic);
        seen.unacknowledged.set(clientId, (seen.unacknowledged.get(clientId) ?? 0) + 1);
      }
    });
    socket.on("data", (bytes) => parser.parse(bytes));
    socket.on("error", () => {});
  });
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { server, port: (server.address() as AddressInfo).port, ...seen };
}
