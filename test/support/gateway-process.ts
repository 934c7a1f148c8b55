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
  type ManagementClient,
} from "../../host/index.ts";

const here = import.meta.url;
const CLI = fileURLToPath(
  new URL(here.endsWith(".ts") ? "../../dist/toolchain/cli.js" : "../../toolchain/cli.js", here),
);

export class GatewayProcess implements AsyncDisposable {
  readonly dir: string;
  readonly port: number;
  readonly client: ManagementClient;
  readonly #root: string;
  #child: ChildProcessByStdio<null, Readable, Readable> | null = null;
  #stderr = "";

  private constructor(root: string, dir: string, port: number) {
    this.#root = root;
    this.dir = dir;
    this.port = port;
    this.client = createManagementClient(dir);
  }

  /** A gateway folder with one plain MQTT listener, on a port that stays the same over restarts. */
  static async init(gatewayId: string): Promise<GatewayProcess> {
    const root = mkdtempSync(join(tmpdir(), "sandpiper-e2e-"));
    const dir = join(root, "gateway");
    const port = await freePort();
    const listeners = [{ protocol: "mqtt", host: "127.0.0.1", port }] as const;
    await initGateway(dir, { gatewayId, hostname: gatewayId, listeners });
    return new GatewayProcess(root, dir, port);
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
