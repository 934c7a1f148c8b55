import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { LogFields } from "../../../host/log.ts";
import { gatewayPaths } from "../../../host/gateway-folder.ts";
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
