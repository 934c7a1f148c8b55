/** A real gateway in a process of its own, as `sandpiper run` starts it, that can be killed at any instant. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import {
  addTrustedKey,
  createManagementClient,
  gatewayPaths,
  initGateway,
  type InitOptions,
  type ManagementClient,
} from "../../host/index.ts";

const here = import.meta.url;
const CLI = fileURLToPath(
  new URL(here.endsWith(".ts") ? "../../dist/toolchain/cli.js" : "../../toolchain/cli.js", here),
);

type ListenerOptions = NonNullable<InitOptions["listeners"]>[number];
export type Protocol = ListenerOptions["protocol"];

export interface GatewayOptions {
  /** Default: the gateway's id. */
  readonly hostname?: string;
  /** Without ports: each gets a free one. Default: plain MQTT. */
  readonly listeners?: readonly ListenerOptions[];
}

export class GatewayProcess implements AsyncDisposable {
  readonly dir: string;
  /** Of the first listener. */
  readonly port: number;
  readonly client: ManagementClient;
  readonly #ports: ReadonlyMap<Protocol, number>;
  readonly #root: string;
  #child: ChildProcessByStdio<null, Readable, Readable> | null = null;
  #stderr = "";

  private constructor(root: string, dir: string, ports: ReadonlyMap<Protocol, number>) {
    this.#root = root;
    this.dir = dir;
    this.#ports = ports;
    [this.port = 0] = ports.values();
    this.client = createManagementClient(dir);
  }

  /** A gateway folder, with listeners on ports that stay the same over restarts. */
  static async init(
    gatewayId: string,
    { hostname = gatewayId, listeners = [{ protocol: "mqtt" }] }: GatewayOptions = {},
  ): Promise<GatewayProcess> {
    const root = mkdtempSync(join(tmpdir(), "sandpiper-e2e-"));
    const dir = join(root, "gateway");
    const free = await freePorts(listeners.length);
    const placed = listeners.map((listener, i) => ({ ...listener, host: "127.0.0.1", port: free[i]! }));
    await initGateway(dir, { gatewayId, hostname, listeners: placed });
    return new GatewayProcess(root, dir, new Map(placed.map(({ protocol, port }) => [protocol, port])));
  }

  portOf(protocol: Protocol): number {
    const port = this.#ports.get(protocol);
    if (port === undefined) throw new Error(`the gateway has no listener for ${protocol}`);
    return port;
  }

  /** A folder beside the gateway's, removed with it. */
  get workDir(): string {
    return this.#root;
  }

  async trust(name: string, publicKeyPem: string): Promise<void> {
    await addTrustedKey(gatewayPaths(this.dir).trust, name, publicKeyPem);
  }

  /** Resolves when devices can connect. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [CLI, "run", "--json", "--dir", this.dir], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    const ended = once(child, "exit").then(() => {
      throw new Error(`the gateway ended: ${this.#stderr.slice(-2000)}`);
    });
    await Promise.race([once(child.stdout, "data"), ended]);
    ended.catch(() => undefined);
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error("the gateway is not running");
    return this.#child.pid;
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#stderr;
  }

  async end(signal: "SIGKILL" | "SIGINT"): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill(signal);
    await exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** All at once, so that none is given twice. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
