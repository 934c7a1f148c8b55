import { execFileSync, spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:net";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createManagementClient } from "../../../host/index.ts";

// The command as a shell starts it, from the build: workers compile, check and run the modules.
const CLI = fileURLToPath(new URL("../../../dist/toolchain/cli.js", import.meta.url));
const SOON_MS = 60_000;

let demo: ChildProcessByStdio<null, Readable, Readable>;
let said: string;
let broker: Server;

beforeEach(async () => {
  // Somebody has the usual port already; who does not matter.
  broker = createServer();
  await new Promise<void>((resolve) => {
    broker.once("error", () => resolve()).listen(1883, "127.0.0.1", resolve);
  });
  demo = spawn(process.execPath, [CLI, "demo"], { stdio: ["ignore", "pipe", "pipe"] });
  said = "";
  for (const stream of [demo.stdout, demo.stderr]) stream.on("data", (chunk) => (said += String(chunk)));
});
afterEach(() => {
  demo.kill("SIGKILL");
  broker.close();
});

const hears = (text: string) => expect.poll(() => said, { timeout: SOON_MS }).toContain(text);
const folder = () => /in (\/\S+)\/gateway\n/.exec(said)![1]!;

async function interrupt(): Promise<number | null> {
  const exited = once(demo, "exit");
  demo.kill("SIGINT");
  const [code] = (await exited) as [number | null];
  return code;
}

test("messages flow through two modules, the printed command adds one, and Ctrl-C leaves nothing", async () => {
  await hears("first message, simulated-temperature-sensor -> threshold-filter -> $upstream");
  await hears("Ctrl-C stops everything");
  expect(said).not.toContain("mqtt://127.0.0.1:1883 ");
  expect(said).not.toContain("\x1b");
  const client = createManagementClient(`${folder()}/gateway`);
  expect((await client.modules()).map(({ status }) => status)).toEqual(["running", "running"]);

  if (hasMosquitto()) {
    const from = said.indexOf("mosquitto_pub");
    execFileSync("sh", ["-c", said.slice(from, said.indexOf("\n\n", from))]);
    const bodies = async () => (await client.events({ limit: 1000 })).events.map((event) => event.bodyBase64);
    await expect.poll(bodies).toContain(btoa('{"machine":{"temperature":99}}'));
  }

  expect(await interrupt()).toBe(0);
  expect(existsSync(folder())).toBe(false);
});

test("Ctrl-C before anything is ready ends it as well", async () => {
  await hears("gateway up on");
  expect(await interrupt()).toBe(0);
  expect(existsSync(folder())).toBe(false);
});

function hasMosquitto(): boolean {
  try {
    execFileSync("mosquitto_pub", ["--version"], { stdio: "ignore" });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}
