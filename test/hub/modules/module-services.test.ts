/** What modules in sandboxes get beside messages: twins, methods and calls of others, in real workers on a real hub. */
import { readFileSync } from "node:fs";
import device from "azure-iot-device";
import amqpTransport from "azure-iot-device-amqp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MethodResult, RouteSpec } from "../../../hub/face.ts";
import { buildConnectionString } from "../../../hub/identity/connection-string.ts";
import { compileModule } from "../../../toolchain/compile/compile.ts";
import { GATEWAY, startHub, type TestHub } from "../../support/hub.ts";
import { supervise, type SupervisedModule } from "../../support/supervised-module.ts";
import { selfSigned } from "../mqtt/certificate.ts";

const FIXTURE = new URL("../../fixtures/modules-as/services.ts", import.meta.url);
const STORED = new URL("../../golden/modules/abi-1-0.wasm", import.meta.url);
/** Compiling, on a busy machine. */
const COMPILE_MS_MAX = 120_000;
const WAIT = { timeout: 10_000, interval: 10 };

const ROUTES: Record<string, RouteSpec> = {
  in: {
    route:
      'FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO BrokeredEndpoint("/modules/m/inputs/in")',
  },
  out: { route: "FROM /messages/modules/m/* INTO $upstream" },
  changes: { route: "FROM /twinChangeNotifications INTO $upstream" },
};

const tls = selfSigned();
let wasm: Uint8Array;
let bench: TestHub;
let module: SupervisedModule;
let publish: (body: string) => Promise<unknown>;

beforeAll(async () => {
  const source = readFileSync(FIXTURE, "utf8");
  ({ wasm } = await compileModule({ source, name: "services", release: false }));
  bench = await startHub({ tls });
  await bench.hub.setRoutes({ routes: ROUTES, timeToLiveSecs: 7200 });
  module = await supervise(bench.hub, wasm, {
    name: "m",
    config: { greeting: "hello" },
    recordDeadlineMs: 300,
  });
  const client = await bench.connect(await bench.identity("press1"));
  publish = (body) => client.publishAsync("devices/press1/messages/events/", body, { qos: 1 });
}, COMPILE_MS_MAX);

afterAll(async () => {
  await module[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});

const call = (methodName: string, payload: unknown = null): Promise<MethodResult> =>
  bench.hub.invokeMethod(GATEWAY, "m", { methodName, payload });
const counter = async (name: string): Promise<number> => (await bench.hub.status()).counters[name]!;

interface Sent {
  readonly from: string | null;
  readonly body: Record<string, unknown>;
  readonly properties: Record<string, string | null>;
}
/** Messages in the event log whose body is JSON, since the given offset. */
async function logged(from: number): Promise<Sent[]> {
  const { events } = await bench.hub.readEvents({ from, limit: 1000, waitMs: 0 });
  return events.flatMap(({ moduleId, body, properties, systemProperties }) => {
    const text = Buffer.from(body).toString();
    if (!text.startsWith("{")) return [];
    const all = [...properties, ...systemProperties].map(({ name, value }) => [name, value] as const);
    return [{ from: moduleId, body: JSON.parse(text) as Sent["body"], properties: Object.fromEntries(all) }];
  });
}
const endOfLog = async (): Promise<number> =>
  (await bench.hub.readEvents({ from: 0, limit: 1000, waitMs: 0 })).next;
/** The next message that the module's handlers of changes and replies send. */
async function told(from: number, isIt: (body: Sent["body"]) => boolean): Promise<Sent["body"]> {
  const found = async (): Promise<Sent["body"] | undefined> =>
    (await logged(from)).find((sent) => sent.from === "m" && isIt(sent.body))?.body;
  await expect.poll(found, WAIT).toBeDefined();
  return (await found())!;
}

describe("a method of a module", () => {
  test("is called by whoever may call any method, and answers with what it knows", async () => {
    expect(await call("echo", { grün: [1, null] })).toEqual({ status: 200, payload: { grün: [1, null] } });
    expect(await call("nothing")).toEqual({ status: 204, payload: null });
  });

  test("that it does not have is 404, and nobody of that name is offline", async () => {
    const refused = await call("x".repeat(20));
    expect(refused).toEqual({
      status: 404,
      payload: { message: `the module has no method "${"x".repeat(20)}"` },
    });
    const nobody = bench.hub.invokeMethod(GATEWAY, "nobody", { methodName: "count" });
    await expect(nobody).rejects.toMatchObject({ code: "SP_METHOD_OFFLINE" });
  });

  test("that traps is 500 with the reason, and no message and no restart is lost to it [J26 J32]", async () => {
    const before = await counter("dead_lettered");
    const { status, payload } = await call("fail", {});
    expect([status, payload]).toEqual([
      500,
      { message: expect.stringMatching(/^abort: cannot do this: fail/) },
    ]);
    expect(await counter("dead_lettered")).toBe(before);
    expect(module.supervisor.status).toMatchObject({
      status: "running",
      restarts: 0,
      faults: { unpinned: 0, pinned: 0 },
    });
    await expect.poll(() => module.supervisor.status.faults.recovered, WAIT).toBeGreaterThan(0);
  });

  test("that never returns is 500, costs its worker and no restart is counted [J26]", async () => {
    const { status, payload } = await call("fail", { how: "loop" });
    expect([status, payload]).toEqual([500, { message: expect.stringMatching(/^deadline: /) }]);
    await expect
      .poll(() => module.supervisor.status, WAIT)
      .toMatchObject({ status: "running", restarts: 0, faults: { pinned: 1, unpinned: 0 } });
    const later = { methodName: "nothing", connectTimeoutInSeconds: 10 };
    expect(await bench.hub.invokeMethod(GATEWAY, "m", later)).toMatchObject({ status: 204 });
  });
});

describe("reported properties of a module", () => {
  test("are in its twin with what else the step did, and the change is a message that routes take [J2]", async () => {
    const from = await endOfLog();
    await publish("counted");
    await expect
      .poll(async () => (await bench.hub.twin(GATEWAY, "m")).properties.reported, WAIT)
      .toMatchObject({ seen: 1 });
    const sent = await logged(from);
    const change = sent.find(({ properties }) => properties["messageSchema"] === "twinChangeNotification");
    expect(change).toMatchObject({
      from: "$edgeHub",
      body: { seen: 1 },
      properties: { rpSenderDeviceId: GATEWAY, rpSenderModuleId: "m", twinSection: "reported" },
    });
  });

  test.for([
    [
      "that break a limit of the twin",
      `report {"deep":${'{"a":'.repeat(12)}1${"}".repeat(12)}}`,
      /objects deep/,
    ],
    ["that are too large", `report {"text":"${"x".repeat(5_000)}"}`, /more than 4096 bytes/],
    ["that are no JSON", "report nonsense", /is not JSON/],
    ["that are no object", "report 17", /must be a JSON object/],
  ] as const)(
    "%s are refused by themselves: the step counts, and the log says why",
    async ([, body, why]) => {
      const before = module.lines.length;
      const { version } = await bench.hub.twin(GATEWAY, "m");
      const consumed = await counter("module_records");
      await publish(body);
      await expect.poll(() => module.lines.slice(before), WAIT).toContainEqual(expect.stringMatching(why));
      expect(await counter("module_records")).toBe(consumed + 1);
      expect((await bench.hub.twin(GATEWAY, "m")).version).toBe(version);
      expect(await counter("dead_lettered")).toBe(0);
    },
  );
});

describe("desired properties of a module", () => {
  const change = (patch: object) => bench.hub.changeTwin(GATEWAY, "m", { section: "desired", patch });

  test("that an operator patches reach it while it runs: a patch, the whole, and no restart", async () => {
    const from = await endOfLog();
    const { startedAtMs } = module.supervisor.status;
    await change({ greeting: "moin", more: 1 });
    await change({ more: null });
    const now = await told(from, (body) => body["now"] === "moin");
    expect(JSON.parse(now["patch"] as string)).toMatchObject({ greeting: "moin" });
    expect(module.supervisor.status.startedAtMs).toBe(startedAtMs);
    const next = await endOfLog();
    await publish("greeted");
    const greeted = async (): Promise<unknown> => {
      const { events } = await bench.hub.readEvents({ from: next, limit: 100, waitMs: 0 });
      return events.find(({ body }) => Buffer.from(body).toString() === "greeted")?.properties[0]?.value;
    };
    await expect.poll(greeted, WAIT).toBe("moin");
  });

  test("that it cannot stand hold all the same, and the module goes on", async () => {
    await change({ greeting: "trap" });
    await expect
      .poll(() => module.lines, WAIT)
      .toContainEqual(expect.stringMatching(/^handler of desired properties failed/));
    const from = await endOfLog();
    await change({ greeting: "again" });
    expect(await told(from, (body) => body["now"] === "again")).toMatchObject({
      patch: '{"greeting":"again"}',
    });
  });

  test("are what the next start begins with, whatever the deployment said", async () => {
    await change({ greeting: "kept" });
    module.supervisor.restart();
    await expect.poll(() => call("nothing").catch(() => null), WAIT).toEqual({ status: 204, payload: null });
    const from = await endOfLog();
    await publish("after");
    const greeting = async (): Promise<unknown> =>
      (await bench.hub.readEvents({ from, limit: 100, waitMs: 0 })).events.find(
        ({ body }) => Buffer.from(body).toString() === "after",
      )?.properties[0]?.value;
    await expect.poll(greeting, WAIT).toBe("kept");
  });
});

describe("calls of others", () => {
  test("reach a module that connects with Microsoft's SDK, and its answer comes back", async () => {
    await bench.identity(GATEWAY);
    const sdk = await bench.identity(GATEWAY, "valve");
    const connectionString = buildConnectionString({
      hostName: GATEWAY,
      deviceId: GATEWAY,
      moduleId: "valve",
      sharedAccessKey: sdk.primaryKey,
      gatewayHostName: `localhost:${bench.tlsPorts.amqp}`,
    });
    const client = device.ModuleClient.fromConnectionString(connectionString, amqpTransport.Amqp);
    await client.setOptions({ ca: tls.cert });
    await client.open();
    client.onMethod(
      "open",
      (request, response) => void response!.send(207, { got: request!.payload as unknown }),
    );
    client.onMethod("ping", (_request, response) => void response!.send(200, {}));
    const ping = { methodName: "ping", connectTimeoutInSeconds: 10 };
    expect(await bench.hub.invokeMethod(GATEWAY, "valve", ping)).toMatchObject({ status: 200 });
    const from = await endOfLog();
    await publish(`call ${GATEWAY} valve open`);
    expect(await told(from, (body) => body["status"] === 207)).toMatchObject({
      text: '{"got":{"from":"services"}}',
      answered: true,
    });
    await client.close();
  });

  test("of somebody who is not there, and of a name that is none, are replied to below 0", async () => {
    const from = await endOfLog();
    await publish("call nobody nothing open");
    expect(await told(from, (body) => body["status"] === -404)).toMatchObject({ answered: false });
    await publish(`call ${GATEWAY} m ${"x".repeat(101)}`);
    expect(await told(from, (body) => body["status"] === -400)).toMatchObject({
      text: expect.stringContaining("methodName"),
    });
  });

  test("of its own methods are calls like any other", async () => {
    const from = await endOfLog();
    await publish(`call ${GATEWAY} m echo`);
    expect(await told(from, (body) => body["status"] === 200)).toMatchObject({ text: '{"from":"services"}' });
  });

  test("by the thousand are bounded: 64 are made, a thousand hear that there are too many, the rest is counted [J6]", async () => {
    const before = module.lines.length;
    const [refusals, invokes] = [await counter("module_refusals"), await counter("module_invokes")];
    await publish("flood 5000");
    await expect
      .poll(() => module.lines.slice(before), WAIT)
      .toContainEqual(expect.stringMatching(/far too many/));
    expect((await counter("module_invokes")) - invokes).toBe(5_000);
    expect((await counter("module_refusals")) - refusals).toBe(5_000 - 64 - 1_024);
    expect(await call("nothing")).toMatchObject({ status: 204 });
  });
});

test("a module of ABI 1.0 that was built then runs as ever, and has no methods", async () => {
  await using stored = await supervise(bench.hub, readFileSync(STORED), {
    name: "stored",
    config: { greeting: "moin" },
  });
  const later = { methodName: "x", connectTimeoutInSeconds: 0 };
  await expect(bench.hub.invokeMethod(GATEWAY, "stored", later)).rejects.toMatchObject({
    code: "SP_METHOD_OFFLINE",
  });
  await bench.hub.changeTwin(GATEWAY, "stored", { section: "desired", patch: { greeting: "not for you" } });
  await expect.poll(() => stored.lines, WAIT).toContain("first tick");
  expect(stored.supervisor.status).toMatchObject({ status: "running", lastFault: null });
});
