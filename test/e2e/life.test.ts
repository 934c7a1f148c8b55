/** A gateway that is started twice, killed, stopped, and whose disk rots: what was acknowledged is there. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:net";
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ModuleView } from "../../host/index.ts";
import { events, startCrank, type Event } from "./crank.ts";
import { Background, sandpiper, type RunGateway } from "./run-gateway.ts";

let gateway: RunGateway;

beforeAll(async () => {
  gateway = await startCrank("gw");
  await gateway.does("device", "add", "d1");
});
afterAll(() => gateway?.[Symbol.asyncDispose]());

const send = (device: MqttClient, body: string): Promise<unknown> =>
  device.publishAsync("devices/d1/messages/events/", body, { qos: 1 });

/** Bodies that came through the module, which passes each on once. */
const arrived = async (): Promise<string[]> => (await events(gateway)).map(({ body }: Event) => body);
const modules = () => gateway.json<ModuleView[]>("list");

test("a second one in the same folder is refused, and the first goes on", async () => {
  const { code, out, err } = await gateway.run("run");
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/^error: gateway in ".*": is running already\nhint: stop the other one first/);
  expect(await modules()).toMatchObject([{ status: "running", restarts: 0 }]);
});

test("after kill -9 in the middle of traffic everything is back, and what was acknowledged arrives once", async () => {
  const device = await gateway.connect("d1");
  device.on("error", () => {});
  const logs = Background.command(["logs", "crank", "--follow"], gateway.place);
  await logs.says("incarnation 1");
  const acknowledged: string[] = [];
  const sending = Promise.all(
    Array.from({ length: 300 }, (_, n) =>
      send(device, `before ${n}`).then(
        () => acknowledged.push(`before ${n}`),
        () => null,
      ),
    ),
  );
  await expect.poll(() => acknowledged.length, { interval: 1 }).toBeGreaterThan(20);
  expect(await gateway.stop("SIGKILL")).toBe(null);
  await device.endAsync(true);
  await sending;

  expect(await gateway.run("list")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/is not running\nhint: start it with: sandpiper run --dir /),
  });
  await logs.says("stopped while answering");
  expect(await logs.end("SIGINT")).toBe(1);

  await gateway.start();
  await expect.poll(modules).toMatchObject([{ name: "crank", status: "running", restarts: 0 }]);
  const again = await gateway.connect("d1");
  await send(again, "after");
  await again.endAsync();
  await expect.poll(arrived).toContain("after");
  const bodies = await arrived();
  expect(new Set(bodies).size).toBe(bodies.length);
  expect(bodies.filter((body) => acknowledged.includes(body))).toEqual(acknowledged);
});

/** Changes one bit of the artifact in the gateway's own store. */
function rot(): void {
  const folder = join(gateway.dir, "artifacts", "sha256");
  const file = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith(".wasm"))!,
  );
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 4;
  writeFileSync(file, bytes);
}

test("stored bytes that rotted while it was down are read from their source again", async () => {
  expect(await gateway.stop("SIGTERM")).toBe(0);
  rot();
  await gateway.start();
  await expect.poll(modules).toMatchObject([{ status: "running", restarts: 0 }]);
});

test("without their source the module does not start, and says why; its messages wait for the next apply", async () => {
  const before = await arrived();
  expect(await gateway.stop("SIGTERM")).toBe(0);
  rot();
  const [artifact, elsewhere] = ["crank.wasm", "moved.wasm"].map((name) => join(gateway.root, name));
  renameSync(artifact!, elsewhere!);
  await gateway.start();
  await expect.poll(() => gateway.does("list")).toMatch(/^crank +failed .*sha256/m);
  expect(await gateway.does("status")).toContain('deployed  not deployment 1: 500 module "crank"');
  const device = await gateway.connect("d1");
  await send(device, "waits");
  await device.endAsync();
  expect(await arrived()).toEqual(before);
  expect(await gateway.does("queue", "list")).toMatch(/^crank\/in .* 1 .*none$/m);

  renameSync(elsewhere!, artifact!);
  expect(await gateway.does("apply", "deployment.json")).toBe("applied: 200\n");
  await expect.poll(arrived).toEqual([...before, "waits"]);
});

test("Ctrl-C drains, and leaves no process, no port and no socket", async () => {
  const device = await gateway.connect("d1");
  device.on("error", () => {});
  await Promise.all(Array.from({ length: 100 }, (_, n) => send(device, `last ${n}`)));
  const ending = gateway.process;
  expect(await gateway.stop("SIGINT")).toBe(0);
  expect(ending.err).toMatch(/ info {2}stopping: .*\n(?:.*\n)*.* info {2}stopped\n$/);
  await device.endAsync(true);
  expect(() => process.kill(ending.pid, 0)).toThrow("ESRCH");
  expect(existsSync(join(gateway.dir, "run", "management.sock"))).toBe(false);
  const refused = await new Promise((resolve) => {
    connect(gateway.port, "127.0.0.1", () => resolve("connected")).once("error", (error) => resolve(error));
  });
  expect(refused).toMatchObject({ code: "ECONNREFUSED" });

  // As a backup is that left it out.
  rmSync(join(gateway.dir, "run"), { recursive: true });
  await gateway.start();
  await expect
    .poll(async () => (await arrived()).filter((body) => body.startsWith("last")))
    .toHaveLength(100);
});

test("a start that fails says why, ends, and leaves nothing behind", async () => {
  const other = join(gateway.root, "other");
  const place = { cwd: gateway.root, env: { SANDPIPER_DIR: other } };
  await sandpiper(["init", "--id", "other"], place);
  const config = join(other, "gateway.json");
  const listeners = [{ protocol: "mqtt", host: "127.0.0.1", port: gateway.port }];
  writeFileSync(config, JSON.stringify({ gatewayId: "other", listeners }));
  const busy = await sandpiper(["run"], place);
  expect(busy).toMatchObject({ code: 1, out: "" });
  expect(busy.err).toMatch(new RegExp(`^error: .*${gateway.port}.*\\nhint: `));
  expect(existsSync(join(other, "run", "management.sock"))).toBe(false);

  writeFileSync(config, '{"gatewayId": "other", "listenrs": []}');
  expect(await sandpiper(["run"], place)).toEqual({
    code: 1,
    out: "",
    err: expect.stringContaining(
      "listenrs: unknown key\nhint: known keys here: gatewayId, hostname, listeners",
    ),
  });
});

test.for<[string[], string]>([
  [[], ""],
  [["frobnicate"], 'error: command "frobnicate": unknown\nhint: sandpiper --help'],
  [["lst"], 'error: command "lst": unknown'],
  [["device", "frobnicate"], "hint: sandpiper device --help lists its commands"],
  [["--dir", "x", "list"], "error: option --dir: stands before the command"],
  [["list", "--frob"], "error: option --frob: unknown\nhint: usage: sandpiper list"],
  [["list", "--dir"], "error: option --dir: its value is missing"],
  [["list", "extra"], 'error: argument "extra": one too many'],
  [["logs"], "error: argument <module>: missing"],
  [["events", "--tail", "-1"], "error: option --tail: its value is missing, or begins with a dash"],
  [["events", "--tail", "1e3"], 'error: option --tail "1e3": not a whole number'],
  [["run", "--log-level", "loud"], 'error: option --log-level "loud": not one of debug, info, warn, error'],
  [["sign", "crank.wasm"], "error: option --key: missing"],
])("the command line %j ends with 2", async ([argv, words]) => {
  const { code, err } = await gateway.run(...argv);
  expect(code).toBe(2);
  expect(err).toContain(words);
});
