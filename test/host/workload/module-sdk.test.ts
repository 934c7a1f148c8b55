/**
 * Microsoft's `ModuleClient.fromEnvironment`, unchanged, against a whole gateway: the environment is all it is told.
 * It knows the ports 8883, 5671 and 443 and no others, so the gateway has an address of its own on the loopback;
 * where these cannot be bound, the tests are left out.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import device, { type Message as SdkMessage, type ModuleClient } from "azure-iot-device";
import amqpTransport from "azure-iot-device-amqp";
import mqttTransport from "azure-iot-device-mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createGateway, createManagementClient, initGateway, type Gateway } from "../../../host/index.ts";
import { quietLog } from "../fake-parts.ts";

const HOST = "127.0.16.1";
const LISTENERS = [
  { protocol: "mqtts", host: HOST, port: 8883 },
  { protocol: "amqps", host: HOST, port: 5671 },
  { protocol: "https", host: HOST, port: 443 },
] as const;
const TRANSPORTS = {
  Mqtt: mqttTransport.Mqtt,
  MqttWs: mqttTransport.MqttWs,
  Amqp: amqpTransport.Amqp,
  AmqpWs: amqpTransport.AmqpWs,
} as const;
type Protocol = keyof typeof TRANSPORTS;

const canBind = await new Promise<boolean>((resolve) => {
  const server = createServer();
  server.on("error", () => resolve(false));
  server.listen(443, HOST, () => server.close(() => resolve(true)));
});

const DEPLOYMENT = {
  modulesContent: {
    $edgeAgent: {
      "properties.desired": {
        schemaVersion: "1.1",
        runtime: { type: "docker", settings: {} },
        systemModules: {},
        modules: {},
      },
    },
    $edgeHub: {
      "properties.desired": {
        schemaVersion: "1.1",
        routes: Object.fromEntries(
          Object.keys(TRANSPORTS).map((name) => [
            name,
            `FROM /messages/modules/src${name}/outputs/out INTO BrokeredEndpoint("/modules/dst${name}/inputs/in")`,
          ]),
        ),
        storeAndForwardConfiguration: { timeToLiveSecs: 7200 },
      },
    },
  },
};

describe.skipIf(!canBind)("a module in a process of its own", () => {
  const root = mkdtempSync(join(tmpdir(), "sandpiper-sdk-"));
  const dir = join(root, "gw");
  const client = createManagementClient(dir);
  const httpUsers: Record<string, number> = { "over-http": process.getuid!() };
  let gateway: Gateway;

  beforeAll(async () => {
    const { config } = await initGateway(dir, { gatewayId: "gw", hostname: HOST, listeners: LISTENERS });
    const settings = JSON.parse(await readFile(config, "utf8")) as object;
    const workload = { http: { port: 0, users: httpUsers } };
    await writeFile(config, JSON.stringify({ ...settings, workload }));
    gateway = createGateway({ dir, log: quietLog, version: "0.0.0" });
    await gateway.start();
    const status = await client.apply(DEPLOYMENT, dir);
    expect(status).toMatchObject({ code: 200 });
  }, 60_000);
  afterAll(async () => {
    await gateway.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const open: ModuleClient[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    vi.unstubAllEnvs();
  });

  async function fromEnvironment(moduleId: string, protocol: Protocol): Promise<ModuleClient> {
    await client.addDevice({ moduleId });
    const { variables } = await client.environment(moduleId);
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const made = await device.ModuleClient.fromEnvironment(TRANSPORTS[protocol]);
    await made.open();
    open.push(made);
    return made;
  }

  test.for(["Mqtt", "MqttWs", "Amqp", "AmqpWs"] as const)(
    "sends to another one's input, and calls its method, over %s",
    async (protocol) => {
      const target = await fromEnvironment(`dst${protocol}`, protocol);
      const arrived = new Promise<[string, string]>((resolve) => {
        target.on("inputMessage", (input: string, message: SdkMessage) => {
          void target
            .complete(message)
            .then(() => resolve([input, Buffer.from(message.getData() as Buffer).toString()]));
        });
      });
      target.onMethod(
        "ping",
        (request, response) => void response!.send(201, { had: request!.payload as unknown }),
      );
      const source = await fromEnvironment(`src${protocol}`, protocol);
      await source.sendOutputEvent("out", new device.Message("hello"));
      expect(await arrived).toEqual(["in", "hello"]);
      const call = {
        methodName: "ping",
        payload: 5,
        connectTimeoutInSeconds: 5,
        responseTimeoutInSeconds: 5,
      };
      const result = source.invokeMethod("gw", `dst${protocol}`, call) as unknown as Promise<unknown>;
      expect(await result).toEqual({ status: 201, payload: { had: 5 } });
    },
  );

  test("asks over the loopback where the operator lets its user in", async () => {
    const module = await fromEnvironment("over-http", "Mqtt");
    expect(process.env["IOTEDGE_WORKLOADURI"]).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const twin = await module.getTwin();
    expect(twin.properties.desired).toMatchObject({ $version: 1 });
  });

  test("is started by the commands of docs/operations.md", async () => {
    const page = await readFile(new URL("../../../docs/operations.md", import.meta.url), "utf8");
    const commands = /```sh\n(sandpiper module-identity add reader [\s\S]*?)```/.exec(page)![1]!;
    const cli = new URL("../../../dist/toolchain/cli.js", import.meta.url).pathname;
    const bin = join(root, "bin");
    await mkdir(bin);
    await writeFile(join(bin, "sandpiper"), `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`, {
      mode: 0o755,
    });
    const reader = `const from = require("node:module").createRequire(${JSON.stringify(import.meta.url)});
      const { ModuleClient, Message } = from("azure-iot-device");
      (async () => {
        const client = await ModuleClient.fromEnvironment(from("azure-iot-device-mqtt").Mqtt);
        await client.open();
        await client.sendOutputEvent("out", new Message("read"));
        await client.close();
        console.log(process.env.IOTEDGE_MODULEID, "sent");
      })();`;
    await writeFile(join(root, "reader.js"), reader);
    const PATH = `${bin}:${dirname(process.execPath)}:${process.env["PATH"]}`;
    const { stdout } = await promisify(execFile)("/bin/sh", ["-e", "-c", commands], {
      cwd: root,
      env: { PATH, SANDPIPER_DIR: dir },
    });
    expect(stdout.trim()).toBe("reader sent");
  });

  test("cannot be one any more when its identity is removed, whatever it still knows", async () => {
    await client.addDevice({ moduleId: "goes" });
    const { variables } = await client.environment("goes");
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    await client.removeDevice("gw", "goes");
    // Who asks for the environment waits for the sockets.
    await expect(client.environment("goes")).rejects.toMatchObject({ code: "SP_IDENTITY_UNKNOWN" });
    await expect(device.ModuleClient.fromEnvironment(TRANSPORTS.Mqtt)).rejects.toMatchObject({
      code: "ENOENT",
    });
  });
});
