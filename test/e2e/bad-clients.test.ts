/** What a stranger may send to the ports of a gateway that runs: it is told so or closed, and others are served. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import type { MqttClient } from "mqtt";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { MqttLogin } from "../../host/index.ts";
import { createSasToken } from "../../hub/identity/sas.ts";
import { startCrank, Witness } from "./crank.ts";
import type { Ran, RunGateway } from "./run-gateway.ts";

let gateway: RunGateway;
let witness: Witness;
let login: MqttLogin;
let primaryKey: string;

beforeAll(async () => {
  gateway = await startCrank("gw");
  witness = await Witness.call(gateway);
  const device = await gateway.json<{ primaryKey: string; mqtt: MqttLogin }>("device", "add", "d1", "--mqtt");
  ({ primaryKey, mqtt: login } = device);
  await gateway.does("device", "add", "d2");
});
afterEach(() => witness.seesNothing());
afterAll(async () => {
  await witness?.leave();
  await gateway?.[Symbol.asyncDispose]();
});

const HOUR_SECS = 3600;
const nowSecs = () => Math.floor(Date.now() / 1000);
const token = (resource: string, expires: number, key = primaryKey) => createSasToken(resource, key, expires);

test.for<[string, () => Partial<MqttLogin>]>([
  ["a password that is no token", () => ({ password: "secret" })],
  ["an empty password", () => ({ password: "" })],
  [
    "a token signed with another key",
    () => ({ password: token("localhost/devices/d1", nowSecs() + HOUR_SECS, btoa("x".repeat(32))) }),
  ],
  ["a token with one character changed", () => ({ password: login.password.replace(/sig=./, "sig=_") })],
  [
    "a token that expired an hour ago",
    () => ({ password: token("localhost/devices/d1", nowSecs() - HOUR_SECS) }),
  ],
  ["a token for another device", () => ({ password: token("localhost/devices/d2", nowSecs() + HOUR_SECS) })],
  ["a token for another gateway", () => ({ password: token("elsewhere/devices/d1", nowSecs() + HOUR_SECS) })],
  [
    "a device that nobody added",
    () => ({ clientId: "d9", username: login.username.replace("/d1/", "/d9/") }),
  ],
  [
    "a name that every object has",
    () => ({ clientId: "constructor", username: login.username.replace("/d1/", "/constructor/") }),
  ],
  ["a client id that is not the user name's", () => ({ clientId: "d2" })],
  ["the gateway's own name", () => ({ clientId: "gw", username: login.username.replace("/d1/", "/gw/") })],
])("%s is answered with CONNACK 5", async ([, change]) => {
  await expect(gateway.dial({ ...login, ...change() })).rejects.toMatchObject({ code: 5 });
});

/** The program as it is installed; tests that want it are left out where it is not. */
const mosquittoPub = (...argv: string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile("mosquitto_pub", argv, (error, out, err) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error ? 127 : 0, out, err });
    });
  });
const hasMosquitto = (await mosquittoPub("--help")).code !== 127;

test.runIf(hasMosquitto)(
  "mosquitto's client is let in by the line that is printed, and not by a worn-out one",
  async () => {
    const out = await gateway.does("device", "token", "d1", "--mqtt");
    const line = out.slice(out.indexOf("mosquitto_pub"));
    const shell = (command: string) =>
      new Promise<Ran>((resolve) => {
        execFile("sh", ["-c", command], (error, stdout, stderr) => {
          resolve({ code: typeof error?.code === "number" ? error.code : 0, out: stdout, err: stderr });
        });
      });
    expect(await shell(line)).toMatchObject({ code: 0, err: "" });
    await expect.poll(() => gateway.does("events")).toContain('gw/crank out {"celsius":41}\n');
    const refused = await shell(line.replace(/se=\d+/, "se=1"));
    expect(refused.code).toBe(5);
    expect(refused.err).toContain("not authorised");
  },
);

function dialRaw(path: { host: string; port: number } | { path: string }): Promise<Socket> {
  const socket = connect(path);
  return new Promise((resolve, reject) => {
    socket.once("error", reject).once("connect", () => resolve(socket));
  });
}

/** What comes back until the peer closes. */
async function answerTo(socket: Socket, bytes: string | Buffer): Promise<string> {
  let answer = "";
  socket.on("data", (chunk) => (answer += chunk.toString("latin1"))).on("error", () => {});
  const closed = once(socket, "close");
  socket.write(bytes);
  await closed;
  return answer;
}

const mqttPort = () => dialRaw({ host: "127.0.0.1", port: gateway.port });

test.for<[string, string | Buffer]>([
  ["HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
  ["TLS", Buffer.from("16030100c8010000c40303", "hex")],
  ["a publish before anything else", Buffer.from("300a0003612f6268656c6c6f", "hex")],
  ["a remaining length without end", Buffer.from("10ffffffffff", "hex")],
  ["MQTT 5", Buffer.from("100d00044d5154540502003c00000000", "hex")],
  ["another protocol's name", Buffer.from("100c00044d515458040200" + "3c0000", "hex")],
  ["noise", Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167 + 31) & 255))],
])("%s on the port of MQTT ends that connection", async ([, bytes]) => {
  const answer = await answerTo(await mqttPort(), bytes);
  expect(answer.length).toBeLessThanOrEqual(4);
});

async function closedAfter(client: MqttClient, act: () => void): Promise<void> {
  client.on("error", () => {});
  const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
  act();
  await closed;
}

test.for<[string, string, number]>([
  ["larger than any message may be", "devices/d1/messages/events/", 300 * 1024],
  ["to a topic with a wildcard", "devices/d1/messages/events/#", 2],
])("a publish %s ends that connection, and none of it arrives", async ([, topic, bytes]) => {
  const client = await gateway.dial(login);
  await closedAfter(client, () => client.publish(topic, Buffer.alloc(bytes, 120), { qos: 1 }));
  await client.endAsync(true);
  const { events } = await gateway.management.events({ tail: 5 });
  expect(events.some(({ bodyBase64 }) => bodyBase64.startsWith("eHh"))).toBe(false);
});

test.for<[string, string]>([
  ["another device's topic", "devices/d2/messages/events/"],
  ["a topic that cannot be read", "devices/d1/messages/events/%zz=%"],
  ["no topic that there is", "home/kitchen/temperature"],
])("a publish to %s is acknowledged and lost, as IoT Hub does, and status says so", async ([, topic]) => {
  const client = await gateway.dial(login);
  await client.publishAsync(topic, "lost", { qos: 1 });
  await client.endAsync();
  expect(await gateway.does("events")).not.toContain("lost");
  expect(await gateway.does("status")).toContain(`published to "${topic}", which leads nowhere`);
});

test("what a client was not told, status says to the operator", async () => {
  const expired = token("localhost/devices/d1", nowSecs() - HOUR_SECS);
  await expect(gateway.dial({ ...login, password: expired })).rejects.toThrow();
  expect(await gateway.does("status")).toMatch(
    /^trouble +d1, \d+ ms ago, \d+ times: refused: token has expired; is the client's clock right\?$/m,
  );
});

test.for<[string, string]>([
  ["that is not HTTP", "\x00\x01\x02\x03\r\n\r\n"],
  ["that is MQTT", "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"],
  ["with a head without end", `GET /status HTTP/1.1\r\nx: ${"y".repeat(20_000)}`],
  ["of an unknown path", "GET /../../etc/passwd HTTP/1.0\r\n\r\n"],
  ["of an unknown method", "BREW /status HTTP/1.0\r\n\r\n"],
  ["with a body that is not JSON", "POST /devices HTTP/1.0\r\ncontent-length: 3\r\n\r\n{a}"],
  ["with more than it may say", `POST /devices HTTP/1.0\r\ncontent-length: ${10 ** 9}\r\n\r\n`],
])("a request on the management socket %s is answered with 4xx", async ([, bytes]) => {
  const socket = await dialRaw({ path: join(gateway.dir, "run", "management.sock") });
  expect(await answerTo(socket, bytes)).toMatch(/^HTTP\/1\.1 4\d\d /);
});
