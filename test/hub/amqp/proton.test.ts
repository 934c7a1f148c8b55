/** Qpid Proton, a C library with clients in many languages, against the hub. */
import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import type { KeyedIdentity } from "../../../hub/face.ts";
import { startHub, tokenOf, type TestHub } from "../../support/hub.ts";
import { eventsOf, plain } from "./raw-client.ts";

const SCRIPT = fileURLToPath(new URL("proton-client.py", import.meta.url));
const TIMEOUT_MS = 15_000;

/** Debian's own Python has the package, and need not be the first one on the path. */
const python = ["python3", "/usr/bin/python3"].find(
  (name) => spawnSync(name, ["-c", "import proton"]).status === 0,
);
if (python === undefined) console.warn("python3-qpid-proton is not installed: its tests are skipped");

let hub: TestHub;
afterEach(() => hub?.[Symbol.asyncDispose]());

/** Lines that it printed. */
async function proton(
  identity: KeyedIdentity,
  token: string,
  what: "send" | "receive",
  count: number,
): Promise<string[]> {
  const { username } = plain(identity) as { username: string };
  const args = [
    SCRIPT,
    `amqp://127.0.0.1:${hub.amqpPort}`,
    username,
    token,
    eventsOf(identity),
    what,
    String(count),
  ];
  const { stdout } = await promisify(execFile)(python!, args, { timeout: TIMEOUT_MS });
  return stdout.trim().split("\n");
}

test.skipIf(python === undefined)(
  "Proton sends a hundred messages, and receives them with ids and types as they were",
  async () => {
    hub = await startHub({ amqp: true });
    await hub.routes({
      r: 'FROM /messages/* WHERE NOT IS_DEFINED($none) INTO BrokeredEndpoint("/modules/m/inputs/i")',
    });
    const [device, module] = [await hub.identity("d1"), await hub.identity("gw", "m")];
    expect(await proton(device, tokenOf(device), "send", 100)).toEqual(["done 100"]);
    const lines = await proton(module, tokenOf(module), "receive", 100);
    const properties = "[('number', 42), ('text', 'ä'), ('truth', True)]";
    expect(lines).toEqual([...Array.from({ length: 100 }, (_, i) => `${i} ${i} ${properties}`), "done 100"]);
    await expect
      .poll(async () => (await hub.hub.queues()).find(({ endpoint }) => endpoint === "m/i")!.length)
      .toBe(0);
  },
);

test.skipIf(python === undefined)("Proton with a wrong token is told so", async () => {
  hub = await startHub({ amqp: true });
  const [device, other] = [await hub.identity("d1"), await hub.identity("d2")];
  const [line] = await proton(device, tokenOf(other), "send", 1);
  expect(line).toContain("amqp:unauthorized-access");
});
