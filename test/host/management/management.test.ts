import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SandpiperError } from "../../../abi/index.ts";
import type { LogFields } from "../../../host/log.ts";
import { gatewayPaths } from "../../../host/folder/gateway-folder.ts";
import { createManagementClient, type ManagementClient } from "../../../host/management/client.ts";
import { startManagementServer, type ManagementServer } from "../../../host/management/server.ts";
import { createFakeBackend, textEvent, type FakeBackend } from "./fake-backend.ts";

const BODY_BYTES_MAX = 64 * 1024;

let dir: string;
let backend: FakeBackend;
let server: ManagementServer;
let client: ManagementClient;
let logged: string[];

const quiet = () => {};
const log = {
  debug: quiet,
  info: quiet,
  warn: quiet,
  error: (fields: LogFields, message: string) => void logged.push(message + JSON.stringify(fields)),
};

async function start(folder: string): Promise<void> {
  dir = folder;
  const { run, socket } = gatewayPaths(dir);
  await mkdir(run, { recursive: true });
  server = await startManagementServer(backend, { socket, bodyBytesMax: BODY_BYTES_MAX, log });
  client = createManagementClient(dir);
}

beforeEach(async () => {
  logged = [];
  backend = createFakeBackend();
  await start(await mkdtemp(join(tmpdir(), "sp-management-")));
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true });
});

/** The raw answer to raw bytes: what a client of somebody else's would see. */
async function raw(request: string): Promise<string> {
  const socket = connect(gatewayPaths(dir).socket);
  socket.end(request);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

test("the socket is the owner's alone", async () => {
  expect((await stat(gatewayPaths(dir).socket)).mode & 0o777).toBe(0o600);
});

test("a device gets keys and a connection string once; the list shows no key", async () => {
  const made = await client.addDevice({ deviceId: "thermo1" });
  expect(Buffer.from(made.primaryKey, "base64")).toHaveLength(32);
  expect(made.secondaryKey).not.toBe(made.primaryKey);
  expect(made.connectionString).toBe(
    `HostName=gw.example;DeviceId=thermo1;SharedAccessKey=${made.primaryKey}`,
  );
  expect(await client.devices()).toEqual([{ deviceId: "thermo1", moduleId: null, enabled: true }]);
});

test("a login is signed for one device and holds no key", async () => {
  const { primaryKey, secondaryKey } = await client.addDevice({ deviceId: "thermo1" });
  const login = await client.login({ deviceId: "thermo1" }, 60);
  expect(login).toMatchObject({ clientId: "thermo1", topic: "devices/thermo1/messages/events/" });
  for (const key of [primaryKey, secondaryKey]) expect(JSON.stringify(login)).not.toContain(key);
  await expect(client.login({ deviceId: "constructor" }, 60)).rejects.toMatchObject({
    code: "SP_IDENTITY_UNKNOWN",
  });
  await expect(client.login({ deviceId: "thermo1" }, 0)).rejects.toMatchObject({
    code: "SP_REQUEST_INVALID",
  });
});

test("a module identity without a device belongs to the gateway", async () => {
  const made = await client.addDevice({ moduleId: "reader" });
  expect(made.connectionString).toContain("DeviceId=gw;ModuleId=reader;");
  await client.removeDevice("gw", "reader");
  expect(await client.devices()).toEqual([]);
});

test("operating errors keep their code across the socket", async () => {
  await client.addDevice({ deviceId: "thermo1" });
  await expect(client.addDevice({ deviceId: "thermo1" })).rejects.toMatchObject({
    code: "SP_IDENTITY_EXISTS",
  });
  await expect(client.removeDevice("thermo2")).rejects.toMatchObject({ code: "SP_IDENTITY_UNKNOWN" });
  await expect(client.logs("nobody", {}).next()).rejects.toMatchObject({ code: "SP_MODULE_UNKNOWN" });
});

test("a bug answers without its stack, which is logged", async () => {
  await expect(client.status()).rejects.toMatchObject({ code: "SP_INTERNAL", message: "a bug" });
  expect(logged.join()).toContain("fake-backend.ts");
  expect(await raw("GET /status HTTP/1.0\r\n\r\n")).not.toContain("fake-backend");
});

test("a deployment arrives as it was sent, with the folder its images are relative to", async () => {
  const deployment = { modulesContent: { $edgeAgent: { "properties.desired": { modules: {} } } } };
  expect(await client.apply(deployment, "/somewhere")).toMatchObject({ code: 200 });
  expect(backend.applied).toEqual([{ deployment, baseDir: "/somewhere" }]);
});

test("a deployment larger than the bound is refused, with the setting that says so", async () => {
  const deployment = { text: "x".repeat(BODY_BYTES_MAX) };
  await expect(client.apply(deployment, "/")).rejects.toMatchObject({
    code: "SP_REQUEST_INVALID",
    hint: expect.stringContaining("management.bodyBytesMax"),
  });
  expect(backend.applied).toEqual([]);
});

test("a body that does not say its length is bounded as well", async () => {
  const size = BODY_BYTES_MAX + 1;
  const answer = await raw(
    `POST /deployment HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n${"x".repeat(size)}\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1.1 413 /);
});

test.for([
  ["a key named __proto__", "POST", "/deployment", '{"baseDir":"/","deployment":{},"__proto__":{"a":1}}'],
  ["an inherited name", "POST", "/devices", '{"constructor":"a"}'],
  ["no deployment at all", "POST", "/deployment", '{"baseDir":"/"}'],
  ["nobody", "POST", "/devices", "{}"],
  ["no body", "POST", "/devices", ""],
  ["a path that is not encoded", "DELETE", "/devices/%zz", ""],
  ["an unknown key", "POST", "/devices", '{"deviceId":"a","key":"b"}'],
  ["a device id with a slash", "POST", "/devices", '{"deviceId":"a/b"}'],
  ["a relative base folder", "POST", "/deployment", '{"baseDir":".","deployment":{}}'],
  ["what is not JSON", "POST", "/deployment", "{"],
  ["a negative offset", "GET", "/events?from=-1", ""],
  ["a limit out of bounds", "GET", "/events?limit=100000", ""],
  ["an unknown parameter", "GET", "/events?form=1", ""],
  ["a place among letters that is none", "GET", "/deadletters?from=7", ""],
  ["a letter without an offset", "GET", "/deadletters/a%2Fb/x", ""],
  ["a replay of what is no offset", "POST", "/deadletters/a%2Fb/replay", '{"offset":"x"}'],
  ["a replay with a word too many", "POST", "/deadletters/a%2Fb/replay", '{"all":true}'],
  ["a purge of an endpoint without a name", "DELETE", "/deadletters/", ""],
  ["a tap without an endpoint", "GET", "/taps?perSecond=1", ""],
  ["a tap without end", "GET", "/taps?endpoint=a&perSecond=1001", ""],
] as const)("%s is refused before anything happens", async ([, method, path, body]) => {
  const head = `${method} ${path} HTTP/1.0\r\ncontent-type: application/json\r\n`;
  const answer = await raw(`${head}content-length: ${body.length}\r\n\r\n${body}`);
  expect(answer).toMatch(/^HTTP\/1.1 400 /);
  expect(answer).toContain('"code":"SP_REQUEST_INVALID"');
  expect(backend.applied).toEqual([]);
});

test("a request that does not exist is named", async () => {
  const answer = await raw("GET /nowhere HTTP/1.0\r\n\r\n");
  expect(answer).toContain('"message":"request: no GET /nowhere"');
});

test("events come with any body, and say where to read on", async () => {
  backend.events.push(textEvent(0, "hot"), { ...textEvent(1, ""), body: new Uint8Array([0xff, 0]) });
  const page = await client.events({ from: 0 });
  expect(page.events.map((event) => event.bodyBase64)).toEqual(["aG90", "/wA="]);
  expect(page.next).toBe(2);
  expect((await client.events({ from: 1, limit: 1 })).events).toHaveLength(1);
});

test("the last events can be asked for without knowing where they are", async () => {
  for (let offset = 0; offset < 30; offset++) backend.events.push(textEvent(offset, `${offset}`));
  const page = await client.events({ tail: 3 });
  expect(page.events.map(({ offset }) => offset)).toEqual([27, 28, 29]);
  expect((await client.events({ tail: 100, limit: 1 })).events[0]!.offset).toBe(0);
  expect((await client.events({ tail: 0 })).events).toEqual([]);
});

test("letters are named by endpoint and offset on every way to them", async () => {
  const asked: unknown[] = [];
  const place = { endpoint: "filter/in#put ?", offset: 7 };
  backend.hub.deadLetters = async (query) => {
    asked.push(query);
    return { letters: [], next: place };
  };
  backend.hub.replayDeadLetters = async (which) => {
    asked.push(which);
    return { replayed: 1, refused: 0, refusals: {} };
  };
  backend.hub.purgeDeadLetters = async (which) => {
    asked.push(which);
    return { purged: 1 };
  };
  expect(await client.deadLetters({ from: place, limit: 5 })).toEqual({ letters: [], next: place });
  await client.replayDeadLetters(place.endpoint, 7);
  await client.purgeDeadLetters(place.endpoint);
  await client.purgeDeadLetters(place.endpoint, 7);
  const { endpoint } = place;
  expect(asked).toEqual([{ from: place, limit: 5 }, { endpoint, offset: 7 }, { endpoint }, place]);
});

test("a tap streams its pages, and is closed when its reader leaves", async () => {
  let reads = 0;
  backend.hub.openTap = async () => ({ tap: 3 });
  backend.hub.readTap = async ({ tap, waitMs }) => {
    expect([tap, waitMs > 0]).toEqual([3, true]);
    return reads++ % 2 === 0 ? { events: [], skipped: 0 } : { events: [textEvent(reads, "hot")], skipped: 1 };
  };
  let pages = 0;
  for await (const { events, skipped } of client.tap("filter/in", 10)) {
    expect([events[0]!.bodyBase64, skipped]).toEqual(["aG90", 1]);
    if (++pages === 2) break;
  }
  await expect.poll(() => backend.tapsClosed).toEqual([3]);
});

test("a tap of what is not there is refused before it begins", async () => {
  backend.hub.openTap = async () => {
    throw new SandpiperError("SP_ENDPOINT_UNKNOWN", 'endpoint "x": there is none', { hint: "there are: y" });
  };
  await expect(client.tap("x", 1).next()).rejects.toMatchObject({
    code: "SP_ENDPOINT_UNKNOWN",
    hint: "there are: y",
  });
});

test("a module is started anew by its name", async () => {
  await client.restartModule("filter");
  expect(backend.restarted).toEqual(["filter"]);
  await expect(client.restartModule("nobody")).rejects.toMatchObject({ code: "SP_MODULE_UNKNOWN" });
});

test("a log is read to its end", async () => {
  const lines: string[] = [];
  for await (const line of client.logs("filter", { lines: 3 })) lines.push(line);
  expect(lines).toEqual(["line 0", "line 1", "line 2"]);
});

test("a follower that leaves is noticed", async () => {
  for await (const line of client.logs("filter", { lines: 1, follow: true })) {
    expect(line).toBe("line 0");
    break;
  }
  await expect.poll(() => backend.followersEnded).toEqual(["filter"]);
});

test("closing ends those who follow", async () => {
  const lines = client.logs("filter", { lines: 1, follow: true });
  await lines.next();
  await server.close();
  await lines.next().catch(() => {});
  expect(backend.followersEnded).toEqual(["filter"]);
});

test("a folder with a path too long for a socket has one all the same", async () => {
  await server.close();
  const parent = dir;
  await start(join(parent, "d".repeat(120)));
  expect(await client.devices()).toEqual([]);
  await server.close();
  dir = parent;
});

test("without a gateway, the error says which folder and what to do", async () => {
  await server.close();
  const { code, message, hint } = await client.devices().catch((error) => error);
  expect(code).toBe("SP_GATEWAY_NOT_RUNNING");
  expect(message).toBe(`gateway in "${dir}": there is none`);
  expect(hint).toContain("sandpiper init");
});

test.skipIf(process.getuid?.() === 0)("another user's gateway is not called missing", async () => {
  await chmod(dir, 0);
  await expect(client.devices()).rejects.toMatchObject({ code: "SP_GATEWAY_DENIED" });
  await chmod(dir, 0o700);
});

test("a peer that never ends its request head is cut off with the others when the gateway stops", async () => {
  const socket = connect(gatewayPaths(dir).socket);
  await once(socket, "connect");
  socket.write("GET /devices HTTP/1.1\r\n");
  socket.on("error", () => {}); // reset, as it should be
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await server.close();
  await closed;
});

test("the client imports neither the server nor what the server is made of", async () => {
  const seen = new Set<string>();
  const visit = async (file: URL): Promise<void> => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    const source = await readFile(file, "utf8");
    for (const [, types, specifier] of source.matchAll(
      /^(?:import|export) (type )?[^;]*?from "([^"]+)";/gm,
    )) {
      if (types) continue;
      if (specifier!.startsWith(".")) await visit(new URL(specifier!, file));
      else expect(specifier).toMatch(/^node:/);
    }
  };
  await visit(new URL("../../../host/management/client.ts", import.meta.url));
  expect([...seen].filter((file) => file.endsWith("/server.ts"))).toEqual([]);
});

test("a change of a twin and a call of a method are decoded strictly", async () => {
  const change = { section: "desired" as const, patch: { a: 1 } };
  expect(await client.changeTwin({ deviceId: "d", moduleId: "m" }, change)).toMatchObject({ moduleId: "m" });
  await expect(
    client.changeTwin({ deviceId: "d" }, { ...change, section: "all" as never }),
  ).rejects.toMatchObject({
    code: "SP_REQUEST_INVALID",
  });
  await expect(
    client.changeTwin({ deviceId: "d" }, { ...change, replace: true } as never),
  ).rejects.toMatchObject({ message: expect.stringContaining('"replace" is not known') as string });
  await expect(client.invokeMethod({ deviceId: "d" }, {} as never)).rejects.toMatchObject({
    code: "SP_REQUEST_INVALID",
  });
  await expect(client.invokeMethod({ deviceId: "offline" }, { methodName: "x" })).rejects.toMatchObject({
    code: "SP_METHOD_OFFLINE",
  });
});
