import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGateway, type Gateway } from "../../../host/gateway/gateway.ts";
import { initGateway } from "../../../host/folder/gateway-folder.ts";
import { createManagementClient } from "../../../host/management/client.ts";
import { gatewayParts } from "../../../host/gateway/parts.ts";
import { addTrustedKey } from "../../../host/folder/trust-file.ts";
import { createHubThread } from "../../../hub/index.ts";
import { compileModule } from "../../../toolchain/compile/compile.ts";
import { signAndWrite } from "../../../toolchain/demo/stock-modules.ts";
import { mqttLogin } from "../../../host/management/mqtt-login.ts";
import { deploymentOf } from "../../support/deployment.ts";
import { quietLog } from "../fake-parts.ts";

// Hub, agent and sandbox as they are, from the build; only the hub's thread ends when it is told to.

const FAILING_HUB = new URL("../../../dist/test/support/failing-hub-thread.js", import.meta.url);
const HEALTHY_SOON = { healthyForMs: 100 };
const COUNTER = `
import { Message, kv } from "@sandpiper/module";

@input("in")
export function onMessage(message: Message): void {
  const count = kv.getNumber("count", 0) + 1;
  kv.putNumber("count", count);
  message.copyTo("out").property("count", (<i32>count).toString());
}
`;

let parent: string;
let gateway: Gateway | undefined;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "sp-failure-"));
});
afterEach(async () => {
  await gateway?.stop();
  await rm(parent, { recursive: true });
});

test("after its hub failed, a gateway goes on where it was: devices, modules, their state (J17)", async () => {
  const trigger = join(parent, "fail-now");
  process.env["SANDPIPER_TEST_FAIL_HUB"] = trigger;
  const paths = await initGateway(join(parent, "gw"));
  const listeners = [{ protocol: "mqtt", port: 0 }];
  const config = { gatewayId: "gw", hostname: "localhost", listeners, modules: { health: HEALTHY_SOON } };
  await writeFile(paths.config, JSON.stringify(config));
  const images = join(parent, "images");
  await mkdir(images);
  const built = {
    name: "counter",
    ...(await compileModule({ source: COUNTER, name: "counter", release: false })),
  };
  await addTrustedKey(paths.trust, "test", await signAndWrite(images, [built]));

  const parts = { ...gatewayParts("0.0.0"), createHub: () => createHubThread(FAILING_HUB) };
  gateway = createGateway({ dir: paths.dir, log: quietLog, version: "0.0.0" }, parts);
  const { listeners: places } = await gateway.start();
  const client = createManagementClient(paths.dir);
  expect(await client.apply(deploymentOf("counter", "in"), images)).toMatchObject({ code: 200 });
  const login = mqttLogin(await client.addDevice({ deviceId: "d" }), "localhost", Date.now() + 60_000);

  const publish = async () => {
    const { clientId, username, password } = login;
    const options = { clientId, username, password, protocolVersion: 4 as const };
    const device = await mqtt.connectAsync(`mqtt://127.0.0.1:${places[0]!.port}`, options);
    await device.publishAsync(login.topic, "{}", { qos: 1 });
    await device.endAsync(true);
  };
  const counts = async () =>
    (await client.events({ from: 0 })).events.map(({ properties }) => properties[0]?.value);

  await publish();
  await expect.poll(counts).toEqual(["1"]);

  await writeFile(trigger, "");
  await expect.poll(async () => (await client.status()).hubRestarts, { timeout: 10_000 }).toBe(1);
  expect(await client.status()).toMatchObject({
    state: "running",
    hubFailure: expect.stringContaining("EIO"),
  });

  await publish();
  await expect.poll(counts, { timeout: 10_000 }).toEqual(["1", "2"]);
  expect(await client.modules()).toMatchObject([{ name: "counter", status: "running" }]);
});
