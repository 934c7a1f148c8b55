import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import mqtt from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DeviceCreated, EventView, MqttLogin } from "../../../host/index.ts";
import { stockModuleDir } from "../../../toolchain/stock.ts";
import { deploymentOf } from "../../support/deployment.ts";

// One gateway's life, by the commands a person would type, each in a process of its own, from the build.

const CLI = fileURLToPath(new URL("../../../dist/toolchain/cli.js", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sp-run-"));
  await cp(stockModuleDir("threshold-filter"), join(folder, "filter"), { recursive: true });
});
afterAll(async () => {
  gateway?.kill("SIGKILL");
  await rm(folder, { recursive: true });
});

const env = () => ({ PATH: process.env["PATH"], SANDPIPER_DIR: join(folder, "gw") });

async function sandpiper(...argv: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...argv], { cwd: folder, env: env() });
  return stdout;
}

/** The exit code and the words of a command that fails. */
const failing = (...argv: string[]): Promise<{ code: number; stderr: string }> =>
  sandpiper(...argv).then(
    () => expect.fail(`sandpiper ${argv.join(" ")} succeeded`),
    (error: { code: number; stderr: string }) => error,
  );

let gateway: ChildProcessByStdio<null, Readable, Readable> | undefined;

/** Starts the gateway; resolves to its port of plain MQTT. */
async function run(): Promise<number> {
  gateway = spawn(process.execPath, [CLI, "run", "--json"], {
    cwd: folder,
    env: env(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  gateway.stderr.on("data", (chunk) => (errors += String(chunk)));
  const [line] = (await Promise.race([
    once(gateway.stdout, "data"),
    once(gateway, "exit").then(() => expect.fail(`the gateway did not start: ${errors}`)),
  ])) as [Buffer];
  const { ready, listeners } = JSON.parse(String(line)) as {
    ready: boolean;
    listeners: { protocol: string; port: number }[];
  };
  expect(ready).toBe(true);
  return listeners.find(({ protocol }) => protocol === "mqtt")!.port;
}

async function stop(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
  const exited = once(gateway!, "exit");
  gateway!.kill(signal);
  return ((await exited) as [number | null])[0];
}

async function publish(port: number, { mqtt: login }: { mqtt: MqttLogin }, celsius: number): Promise<void> {
  const { clientId, username, password } = login;
  const options = { clientId, username, password, protocolVersion: 4 as const };
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, options);
  await client.publishAsync(login.topic, JSON.stringify({ machine: { temperature: celsius } }), { qos: 1 });
  await client.endAsync(true);
}

const arrived = async (): Promise<string[]> =>
  (await sandpiper("events", "--json", "--from", "0"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as EventView & { body: string }).body);

test("a gateway from init to a crash and back, by its commands alone", async () => {
  const listeners = [{ protocol: "mqtt", port: 0 }];
  await sandpiper("init", "--id", "site-7", "--hostname", "localhost");
  const health = { healthyForMs: 200 };
  const config = { gatewayId: "site-7", hostname: "localhost", listeners, modules: { health } };
  await writeFile(join(folder, "gw", "gateway.json"), JSON.stringify(config));
  await writeFile(join(folder, "deployment.json"), JSON.stringify(deploymentOf("filter", "input")));
  await sandpiper("keygen", "release.key");
  await sandpiper("build", "--debug", "--out", "filter.wasm", "filter");

  let port = await run();
  expect(await failing("run")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("is running already"),
  });

  const unsigned = await failing("apply", "deployment.json");
  expect(unsigned.code).toBe(1);
  expect(unsigned.stderr).toContain("no signature beside it");
  await sandpiper("sign", "--key", "release.key", "filter.wasm");
  expect((await failing("apply", "deployment.json")).stderr).toContain("does not trust");
  await sandpiper("trust", "add", "release.key.pub");
  expect(await sandpiper("apply", "deployment.json")).toContain("applied: 200");
  expect(await sandpiper("list")).toMatch(/^filter +running/m);

  const device = JSON.parse(
    await sandpiper("device", "add", "thermo1", "--mqtt", "--json"),
  ) as DeviceCreated & {
    mqtt: MqttLogin;
  };
  await publish(port, device, 24);
  await publish(port, device, 77);
  await expect.poll(arrived).toEqual(['{"machine":{"temperature":77}}']);

  await stop("SIGKILL");
  expect(await failing("list")).toMatchObject({ code: 1, stderr: expect.stringContaining("is not running") });
  port = await run();
  await publish(port, device, 78);
  await expect.poll(arrived).toEqual(['{"machine":{"temperature":77}}', '{"machine":{"temperature":78}}']);
  expect(await sandpiper("logs", "filter")).toContain("incarnation 2");

  expect(await stop("SIGTERM")).toBe(0);
});
