/**
 * `sandpiper demo`: everything at once, in a folder that is thrown away: a gateway, two modules built and
 * signed here, a route through them to `$upstream`, and what to try next. Nothing of it is special: the
 * gateway is one that `sandpiper run` would run, and it is spoken to as the commands do.
 */
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setInterval } from "node:timers/promises";
import { fromErrorRecord, SandpiperError } from "../../abi/index.ts";
import type { EventView, Gateway, ManagementClient } from "../../host/index.ts";
import type { Command } from "../command.ts";
import { noPositionals } from "../operate/arguments.ts";
import { readEventPages } from "../operate/events.ts";
import { formatEvent } from "../operate/message-text.ts";
import { untilStopped } from "../operate/stop-signal.ts";
import { packageVersion } from "../package-root.ts";
import { formatTotals, isAlert, totalsOf, type Totals } from "./activity.ts";
import { demoDeployment, FILTER, SENSOR } from "./deployment.ts";
import { formatGuide } from "./guide.ts";
import { createStatusLine, type StatusLine } from "./status-line.ts";
import { buildStockModules, signAndWrite } from "./stock-modules.ts";

const GATEWAY_ID = "demo-gateway";
/** Tokens are for this name, whatever this machine is called. */
const HOSTNAME = "localhost";
const DEVICE_ID = "demo";
const LOGIN_SECS = 24 * 60 * 60;
/** Busy ports are stepped over: somebody may run a broker already, or another demo. */
const PORTS_TO_TRY = 50;
const STATUS_INTERVAL_MS = 1_000;
const BODY_CHARACTERS = 100;

export const demoCommand: Command = {
  name: "demo",
  group: "operate",
  summary: "run a gateway with two modules in a throw-away folder, to see messages flow",
  usage: "sandpiper demo",
  example: "sandpiper demo",
  options: {},
  async run({ positionals }) {
    noPositionals(positionals, this.usage);
    const line = createStatusLine(process.stdout, () => performance.now());
    const folder = await mkdtemp(join(tmpdir(), "sandpiper-demo-"));
    const demo = new Demo(folder, line);
    // Also when the process is ended at once, by a second Ctrl-C for example.
    const removeFolder = () => rmSync(folder, { recursive: true, force: true });
    process.once("exit", removeFolder);
    try {
      return await untilStopped({
        start: () => demo.start(),
        stop: () => demo.stop(),
        onStopping: () => line.print("stopping"),
        onLate: () => line.print("did not stop in time, and is ended"),
      });
    } finally {
      await demo.stop();
      line.end();
      removeFolder();
    }
  },
};

class Demo {
  readonly #folder: string;
  readonly #line: StatusLine;
  readonly #begunMs = performance.now();
  readonly #ending = new AbortController();
  #gateway: Gateway | null = null;

  constructor(folder: string, line: StatusLine) {
    this.#folder = folder;
    this.#line = line;
  }

  /** Resolves when the first message has come through. */
  async start(): Promise<void> {
    const { addTrustedKey, createManagementClient, gatewayPaths } = await import("../../host/index.ts");
    const paths = gatewayPaths(join(this.#folder, "gateway"));
    const client = createManagementClient(paths.dir);
    // At the same time: the compiler has a thread of its own, and takes longer than anything else.
    const building = buildStockModules([SENSOR, FILTER], this.#ending.signal);
    const [mqttPort, modules] = await Promise.all([this.#startGateway(paths.dir), building]);

    const modulesDir = join(this.#folder, "modules");
    await mkdir(modulesDir);
    await addTrustedKey(paths.trust, "demo", await signAndWrite(modulesDir, modules));
    this.#say(
      `built and signed ${modules.map(({ name, wasm }) => `${name} (${kilobytes(wasm)} KB)`).join(", ")}`,
    );

    const deployment = demoDeployment();
    await writeFile(join(modulesDir, "deployment.json"), JSON.stringify(deployment, null, 2));
    // Resolves when the modules have proved healthy; messages flow long before.
    const applying = applied(client, deployment, modulesDir);
    const firstEvent = this.#watch(client);
    const event = await Promise.race([firstEvent, applying.then(() => firstEvent)]);
    this.#say(`first message, ${SENSOR} -> ${FILTER} -> $upstream:`);
    this.#line.print(`         ${formatEvent(event, BODY_CHARACTERS)}`);
    this.#line.print(await guide(client, paths.dir, mqttPort));
    await applying;
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#gateway?.stop();
  }

  /** Answers the port of plain MQTT. */
  async #startGateway(dir: string): Promise<number> {
    const { createGateway, createLineLog, initGateway } = await import("../../host/index.ts");
    await initGateway(dir, {
      gatewayId: GATEWAY_ID,
      hostname: HOSTNAME,
      listeners: [
        { protocol: "mqtt", portsToTry: PORTS_TO_TRY },
        { protocol: "mqtts", host: "127.0.0.1", portsToTry: PORTS_TO_TRY },
      ],
    });
    this.#ending.signal.throwIfAborted();
    const log = createLineLog(this.#line.print, { level: "warn", clock: Date.now });
    this.#gateway = createGateway({ dir, log, version: packageVersion() });
    const { listeners } = await this.#gateway.start();
    const places = listeners.map(({ protocol, host, port }) => `${protocol}://${host}:${port}`);
    this.#say(`gateway up on ${places.join(" and ")}, in ${dir}`);
    return listeners.find(({ protocol }) => protocol === "mqtt")!.port;
  }

  /** Keeps the status line current until the end. Resolves to the first event. */
  #watch(client: ManagementClient): Promise<EventView> {
    const arrived = { events: 0, alerts: 0 };
    return new Promise((resolve, reject) => {
      const follow = async () => {
        for await (const { page } of readEventPages(client, { from: 0 }, true)) {
          arrived.events += page.events.length;
          arrived.alerts += page.events.filter(isAlert).length;
          if (page.events.length > 0) resolve(page.events[0]!);
        }
      };
      const show = async () => {
        let before: Totals | null = null;
        for await (const _ of setInterval(STATUS_INTERVAL_MS, null, { signal: this.#ending.signal })) {
          const { hub } = await client.status();
          const now = totalsOf(hub?.counters ?? {}, arrived, performance.now());
          this.#line.update(formatTotals(now, before ?? now));
          before = now;
        }
      };
      Promise.all([follow(), show()]).catch((error: unknown) => {
        // When the gateway stops, so does everybody who asks it things.
        if (!this.#ending.signal.aborted) this.#line.print(`demo: ${String(error)}`);
        reject(error as Error);
      });
    });
  }

  #say(text: string): void {
    const seconds = (performance.now() - this.#begunMs) / 1000;
    this.#line.print(`${seconds.toFixed(1).padStart(5)} s  ${text}`);
  }
}

const kilobytes = (bytes: Uint8Array): number => Math.round(bytes.length / 1024);

/** @throws {SandpiperError} with what the agent said */
async function applied(client: ManagementClient, deployment: object, baseDir: string): Promise<void> {
  const { code, description, error } = await client.apply(deployment, baseDir);
  if (code === 200) return;
  throw error ? fromErrorRecord(error) : new SandpiperError("SP_DEMO", `deployment: ${code} ${description}`);
}

async function guide(client: ManagementClient, dir: string, mqttPort: number): Promise<string> {
  const device = await client.addDevice({ deviceId: DEVICE_ID });
  const login = await client.login({ deviceId: DEVICE_ID }, LOGIN_SECS);
  return formatGuide({ dir, mqttPort, login, connectionString: device.connectionString });
}
