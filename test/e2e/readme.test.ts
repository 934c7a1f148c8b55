/** The README's path from nothing to a routed message, as it stands there, by somebody who believes it. */
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import mqtt from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileModule } from "../../toolchain/index.ts";
import { Background, CLI, freePort, type Ran } from "./run-gateway.ts";

const README = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const TITLE = "## From nothing to a module that routes a message\n";
const COMMANDS = 10;
/** These go on until somebody ends them: the README says so of the first, and its name of the second. */
const GOES_ON = /^npx sandpiper (?:run|events --follow)\b/;

const section = README.slice(README.indexOf(TITLE));
const block = (language: string): string => {
  const found = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "ms").exec(section)?.[1];
  return found ?? expect.fail(`the README has no ${language} block`);
};

let home: string;
let mqttPort: number;
const background: Background[] = [];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "sandpiper-readme-"));
  // `npx sandpiper` where the package is not installed.
  const bin = join(home, "bin");
  mkdirSync(bin);
  const npx = `#!/bin/sh\n[ "$1" = sandpiper ] && shift && exec "${process.execPath}" "${CLI}" "$@"\n`;
  writeFileSync(join(bin, "npx"), npx, { mode: 0o755 });
  writeFileSync(join(home, "deployment.json"), block("json"));
  mqttPort = await freePort();
});
afterAll(async () => {
  for (const process of background) await process.end("SIGINT");
  rmSync(home, { recursive: true });
});

const place = () => ({ cwd: home, env: { PATH: [join(home, "bin"), process.env["PATH"]].join(delimiter) } });

const shell = (line: string): Promise<Ran> =>
  new Promise((resolve) => {
    const options = { cwd: home, env: { ...process.env, ...place().env } };
    execFile("sh", ["-c", line], options, (error, out, err) => resolve({ code: error ? 1 : 0, out, err }));
  });

/** A copy of the file with other ports: the usual ones may be somebody's here. */
function moveListeners(): void {
  const file = join(home, ".sandpiper", "gateway.json");
  const config = JSON.parse(readFileSync(file, "utf8")) as { listeners: object[] };
  const ports = [mqttPort, 0];
  config.listeners = config.listeners.map((listener, index) => ({ ...listener, port: ports[index] }));
  writeFileSync(file, JSON.stringify(config));
}

/** As a device would that has only IoT Hub's documentation and the connection string. */
async function publish(connectionString: string, body: string): Promise<void> {
  const fields = new Map(
    connectionString
      .split(";")
      .map((field) => [field.split("=", 1)[0]!, field.slice(field.indexOf("=") + 1)]),
  );
  const [host, device] = [fields.get("HostName")!, fields.get("DeviceId")!];
  const resource = encodeURIComponent(`${host}/devices/${device}`);
  const expiry = Math.floor(Date.now() / 1000) + 600;
  const signature = createHmac("sha256", Buffer.from(fields.get("SharedAccessKey")!, "base64"))
    .update(`${resource}\n${expiry}`)
    .digest("base64");
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
    clientId: device,
    username: `${host}/${device}/?api-version=2021-04-12`,
    password: `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}`,
    protocolVersion: 4,
  });
  await client.publishAsync(`devices/${device}/messages/events/`, body, { qos: 1 });
  await client.endAsync();
}

test("its ten commands, as they stand there, bring a module up that routes what a device sends", async () => {
  const lines = block("sh").trimEnd().split("\n");
  expect(lines).toHaveLength(COMMANDS);
  let connectionString = "";
  for (const line of lines) {
    if (GOES_ON.test(line)) {
      const started = new Background("sh", ["-c", `exec ${line}`], place());
      background.push(started);
      if (line.includes(" run")) await started.says("ready: gateway");
      continue;
    }
    const { code, out, err } = await shell(line);
    expect({ line, code, err: code === 0 ? "" : err }).toEqual({ line, code: 0, err: "" });
    if (line.includes(" init ")) moveListeners();
    if (line.includes(" device add ")) connectionString = out.trim();
  }

  await publish(connectionString, '{"celsius":12}');
  await publish(connectionString, '{"celsius":41}');
  const events = background.at(-1)!;
  await events.says('gw/my-module alerts level=high {"celsius":41}\n');
  expect(events.out).not.toContain('{"celsius":12}');
  const [gateway, reader] = background.splice(0);
  expect(await reader!.end("SIGINT")).toBe(null);
  expect(await gateway!.end("SIGINT")).toBe(0);
});

test("what it shows of a module's source compiles as it stands there", async () => {
  const { manifest } = await compileModule({ source: block("ts"), release: false });
  expect(manifest).toMatchObject({ inputs: ["temperature"], outputs: ["alerts"] });
});
