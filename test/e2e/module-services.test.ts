/**
 * A module in a sandbox among others: messages from one that uses Microsoft's SDK to another through it, its
 * methods from the command line, its twin while it runs, and all of it again after kill -9.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import device, { type Message, type ModuleClient } from "azure-iot-device";
import amqpTransport from "azure-iot-device-amqp";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ModuleView } from "../../host/index.ts";
import { compileModule } from "../../toolchain/index.ts";
import { manifest, moduleEntry } from "../support/manifest.ts";
import { freePort, RunGateway } from "./run-gateway.ts";

const FIXTURE = new URL("../fixtures/modules-as/services.ts", import.meta.url);
const ID = "gw";
const SETUP_MS_MAX = 240_000;
const WAIT = { timeout: 40_000, interval: 20 };

let gateway: RunGateway;
let amqps: number;
let source: ModuleClient;
let sink: ModuleClient;
const connections: Record<string, string> = {};
/** What has arrived at the sink: bodies, with the greeting that the module gave them. */
const arrived: string[] = [];

beforeAll(async () => {
  gateway = await RunGateway.init(ID);
  amqps = await freePort();
  await gateway.configure({
    listeners: [
      { protocol: "mqtt", host: "127.0.0.1", port: gateway.port },
      { protocol: "amqps", host: "127.0.0.1", port: amqps },
    ],
  });
  await gateway.does("keygen", "release.key");
  await gateway.does("trust", "add", "release.key.pub");
  const { wasm } = await compileModule({ source: readFileSync(FIXTURE, "utf8"), name: "services" });
  writeFileSync(join(gateway.root, "m.wasm"), wasm);
  await gateway.does("sign", "--key", "release.key", "m.wasm");
  await gateway.start();
  for (const name of ["source", "sink"])
    connections[name] = await gateway.does("module-identity", "add", name);
  await gateway.does("apply", deployment({ greeting: "hello" }));
  await connectBoth();
}, SETUP_MS_MAX);

afterAll(async () => {
  await closeBoth();
  await gateway?.[Symbol.asyncDispose]();
});

function deployment(config: object, grants = ["log", "kv", "twin", "invoke"]): string {
  const input = (module: string) => `INTO BrokeredEndpoint("/modules/${module}/inputs/in")`;
  const routes = {
    in: `FROM /messages/modules/source/* ${input("m")}`,
    out: `FROM /messages/modules/m/outputs/out ${input("sink")}`,
    told: "FROM /messages/modules/m/outputs/told INTO $upstream",
    changes: "FROM /twinChangeNotifications INTO $upstream",
  };
  const createOptions = { sandpiper: { grants } };
  const modules = { m: moduleEntry({ image: "file:m.wasm", createOptions }) };
  writeFileSync(
    join(gateway.root, "deployment.json"),
    JSON.stringify(manifest({ modules, routes, configs: { m: config } })),
  );
  return "deployment.json";
}

async function connect(name: string): Promise<ModuleClient> {
  const text = `${connections[name]!.trim()};GatewayHostName=localhost:${amqps}`;
  const client = device.ModuleClient.fromConnectionString(text, amqpTransport.Amqp);
  await client.setOptions({ ca: readFileSync(join(gateway.dir, "tls", "trust-bundle.pem"), "utf8") });
  await client.open();
  return client;
}

async function connectBoth(): Promise<void> {
  [source, sink] = [await connect("source"), await connect("sink")];
  sink.on("inputMessage", (_input: string, message: Message) => {
    const greeting = message.properties.propertyList.find(({ key }) => key === "greeting")?.value;
    arrived.push(`${(message.getData() as Buffer).toString()}: ${greeting}`);
    sink.complete(message, () => undefined);
  });
  sink.onMethod("ping", (_request, response) => void response!.send(200, null));
  sink.onMethod(
    "open",
    (request, response) => void response!.send(201, { asked: request!.payload as unknown }),
  );
  await gateway.does("method", "invoke", "--module", "sink", "ping", "--wait", "20");
}

async function closeBoth(): Promise<void> {
  for (const client of [source, sink]) await client?.close().catch(() => undefined);
}

/** Sends through the module, and waits until it has come out. */
async function pass(body: string): Promise<string> {
  await source.sendOutputEvent("anything", new device.Message(body));
  const found = (): string | undefined => arrived.find((one) => one.startsWith(`${body}: `));
  await expect.poll(found, WAIT).toBeDefined();
  return found()!;
}

async function events(): Promise<{ body: string; properties: Record<string, string | null> }[]> {
  const { events: all } = await gateway.management.events({ from: 0, limit: 1000 });
  return all.map(({ bodyBase64, properties }) => ({
    body: Buffer.from(bodyBase64, "base64").toString(),
    properties: Object.fromEntries(properties.map(({ name, value }) => [name, value])),
  }));
}

const startedAt = async (): Promise<string | null> =>
  (await gateway.json<ModuleView[]>("list"))[0]!.startedAt;

test("messages go from a module with Microsoft's SDK through one in a sandbox to another, properties and all", async () => {
  expect(await pass("first")).toBe("first: hello");
});

test("its methods answer the command line; one that it does not have is an exit code", async () => {
  const out = await gateway.json<object>("method", "invoke", "--module", "m", "count");
  expect(out).toMatchObject({ status: 200, payload: { seen: 1 } });
  const { code, out: said } = await gateway.run("method", "invoke", "--module", "m", "unheard-of");
  expect([code, said]).toEqual([1, expect.stringContaining("no method")]);
});

test("what it reports is in its twin, and was announced to routes", async () => {
  const twin = await gateway.json<{ properties: { reported: object } }>("twin", "get", "--module", "m");
  expect(twin.properties.reported).toMatchObject({ seen: 1 });
  const changes = (await events()).filter(({ body }) => body === '{"seen":1}');
  expect(changes).toMatchObject([{ properties: { twinSection: "reported" } }]);
});

test("an operator's patch, and another deployment, reach it while it runs", async () => {
  const before = await startedAt();
  await gateway.does("twin", "patch", "--module", "m", "--desired", '{"greeting":"moin"}');
  await expect.poll(async () => (await events()).some(({ body }) => body.includes("moin")), WAIT).toBe(true);
  expect(await pass("second")).toBe("second: moin");
  await gateway.does("apply", deployment({ greeting: "hej" }));
  await expect.poll(async () => (await events()).some(({ body }) => body.includes("hej")), WAIT).toBe(true);
  expect(await pass("third")).toBe("third: hej");
  expect(await startedAt()).toBe(before);
});

test("it calls a method of a module with Microsoft's SDK, and hears the answer", async () => {
  await source.sendOutputEvent("anything", new device.Message(`call ${ID} sink open`));
  const answered = async (): Promise<string | undefined> =>
    (await events()).find(({ body }) => body.includes('"status":201'))?.body;
  await expect.poll(answered, WAIT).toContain('\\"asked\\":{\\"from\\":\\"services\\"}');
});

test("a deployment that does not grant what it needs is refused, and it goes on", async () => {
  const before = await startedAt();
  const { code, err } = await gateway.run("apply", deployment({}, ["log", "kv", "twin"]));
  expect([code, err]).toEqual([1, expect.stringContaining('the capability "invoke"')]);
  expect(await startedAt()).toBe(before);
});

test(
  "after kill -9 it has its twin and its state, and everybody finds it again",
  { timeout: 60_000 },
  async () => {
    await gateway.does("twin", "patch", "--module", "m", "--desired", '{"greeting":"kept"}');
    // Before: the SDK would go on connecting by itself, and take the identity from the clients made here.
    await closeBoth();
    await gateway.stop("SIGKILL");
    await gateway.start();
    await connectBoth();
    expect(await pass("fourth")).toBe("fourth: kept");
    const count = await gateway.json<object>("method", "invoke", "--module", "m", "count", "--wait", "20");
    expect(count).toMatchObject({ payload: { seen: 4 } });
    const twin = await gateway.json<{ properties: { reported: object } }>("twin", "get", "--module", "m");
    expect(twin.properties.reported).toMatchObject({ seen: 4 });
  },
);
