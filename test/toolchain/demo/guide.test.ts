import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { formatGuide } from "../../../toolchain/demo/guide.ts";

const login = {
  clientId: "demo",
  username: "localhost/demo/?api-version=2021-04-12",
  password: "SharedAccessSignature sr=localhost%2Fdevices%2Fdemo&sig=a%2Bb%3D&se=1700000000",
  expires: "2026-01-01T00:00:00.000Z",
  topic: "devices/demo/messages/events/",
};
const guide = formatGuide({
  dir: "/tmp/sandpiper-demo",
  mqttPort: 1884,
  login,
  connectionString: "HostName=x",
});

test("the line that sends a message is one a shell takes as it stands", () => {
  const from = guide.indexOf("mosquitto_pub");
  const command = guide.slice(from, guide.indexOf("\n\n", from)).replace("mosquitto_pub", "printf '%s\\n'");
  const words = execFileSync("sh", ["-c", command]).toString().trimEnd().split("\n");
  expect(words).toEqual(
    ["-h", "127.0.0.1", "-p", "1884", "-i", "demo", "-q", "1", "-u", login.username].concat([
      "-P",
      login.password,
      "-t",
      login.topic,
      "-m",
      '{"machine":{"temperature":99}}',
    ]),
  );
});

test("every command names the folder", () => {
  const commands = guide.split("\n").filter((line) => line.includes("npx sandpiper"));
  expect(commands).toHaveLength(3);
  for (const line of commands) expect(line).toContain("--dir /tmp/sandpiper-demo");
});
