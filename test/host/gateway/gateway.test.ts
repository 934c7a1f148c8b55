import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGateway, type Gateway } from "../../../host/gateway/gateway.ts";
import { gatewayPaths, initGateway } from "../../../host/folder/gateway-folder.ts";
import { createManagementClient } from "../../../host/management/client.ts";
import { createFakeParts, quietLog } from "../fake-parts.ts";

let parent: string;
let dir: string;
let journal: string[];
let parts: ReturnType<typeof createFakeParts>;
const gateways: Gateway[] = [];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "sp-gateway-"));
  dir = join(parent, "gw");
  journal = [];
  parts = createFakeParts(journal);
  await initGateway(dir, { gatewayId: "gw", hostname: "gw.example" });
});
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.stop();
  await rm(parent, { recursive: true });
});

function create(given = parts): Gateway {
  const gateway = createGateway({ dir, log: quietLog, version: "0.0.0" }, given);
  gateways.push(gateway);
  return gateway;
}

test("parts start in order and stop in the reverse of it", async () => {
  const gateway = create();
  const started = await gateway.start();
  expect(started.listeners.map(({ port }) => port)).toEqual([1883, 8883]);
  await gateway.stop();
  await gateway.stop();
  expect(journal).toEqual(["hub started", "agent booted", "agent stopped", "hub closed"]);
});

test("TLS listeners get the gateway's own certificate", async () => {
  await create().start();
  const [plain, tls] = parts.hubs[0]!.configs[0]!.listeners;
  expect(plain).not.toHaveProperty("tls");
  expect(tls!.tls!.cert).toContain("BEGIN CERTIFICATE");
  expect(tls!.tls!.key).toContain("BEGIN PRIVATE KEY");
});

test("status tells of a hub that is being made again, and of its return", async () => {
  await create().start();
  const client = createManagementClient(dir);
  expect(await client.status()).toMatchObject({
    gatewayId: "gw",
    state: "running",
    hub: { state: "ok" },
    certificate: { daysLeft: 729 },
  });
  parts.hubs[0]!.fail("disk: EIO");
  expect(await client.status()).toMatchObject({ state: "degraded", hub: null, hubFailure: "disk: EIO" });
  await expect(client.queues()).rejects.toMatchObject({ code: "SP_HUB_DOWN" });
  await expect.poll(() => journal).toContain("agent told");
  expect(await client.status()).toMatchObject({ state: "running", hubRestarts: 1 });
});

test("a folder has one gateway at a time", async () => {
  await create().start();
  const other = createFakeParts([]);
  await expect(create(other).start()).rejects.toMatchObject({ code: "SP_GATEWAY_RUNNING" });
  expect(other.hubs).toEqual([]);
  expect(await createManagementClient(dir).devices()).toEqual([]);
});

test("a start that fails half-way leaves nothing behind", async () => {
  const failing = {
    ...parts,
    createAgent: () => Promise.reject(new Error("agent: state unreadable")),
  };
  await expect(create(failing).start()).rejects.toThrow("agent: state unreadable");
  expect(journal).toEqual(["hub started", "hub closed"]);
  await expect(createManagementClient(dir).status()).rejects.toMatchObject({
    code: "SP_GATEWAY_NOT_RUNNING",
  });
  await create().start();
});

test("a gateway told to stop while it starts stops when it has started", async () => {
  const gateway = create();
  const starting = gateway.start();
  await gateway.stop();
  await starting;
  expect(journal.slice(-2)).toEqual(["agent stopped", "hub closed"]);
});

test("an agent that does not stop cleanly does not keep the hub from closing", async () => {
  const rude = {
    ...parts,
    createAgent: async () => ({
      ...(await parts.createAgent(undefined as never)),
      stop: () => Promise.reject(new Error("stuck")),
    }),
  };
  const gateway = create(rude);
  await gateway.start();
  await gateway.stop();
  expect(journal.at(-1)).toBe("hub closed");
});

test("a certificate that is none, and that no authority can make anew, keeps its gateway from starting", async () => {
  await rm(join(gatewayPaths(dir).tls, "ca.key"));
  await writeFile(join(gatewayPaths(dir).tls, "server.pem"), "");
  await expect(create().start()).rejects.toThrow('server.pem" is not a PEM certificate');
});
