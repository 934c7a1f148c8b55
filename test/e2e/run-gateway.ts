/**
 * The command as a stranger has it: processes started from the build, told apart only by what they print, by
 * exit codes and by what they leave behind.
 */
import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import mqtt, { type MqttClient } from "mqtt";
import { expect, vi } from "vitest";
import { createManagementClient, type ManagementClient, type MqttLogin } from "../../host/index.ts";

export const CLI = fileURLToPath(new URL("../../dist/toolchain/cli.js", import.meta.url));
const SOON_MS = 15_000;

export interface Ran {
  /** 128 and the signal's number when one ended it, as a shell has it. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Place {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

const environment = ({ env = {} }: Place) => ({
  PATH: process.env["PATH"],
  HOME: process.env["HOME"],
  ...env,
});

/** Runs the command to its end. */
export const sandpiper = (argv: readonly string[], place: Place): Promise<Ran> =>
  new Promise((resolve) => {
    const options = { cwd: place.cwd, env: environment(place), maxBuffer: 64 * 1024 * 1024 };
    execFile(process.execPath, [CLI, ...argv], options, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 128;
      resolve({ code, out, err });
    });
  });

/** A command that goes on until it is told to end. */
export class Background {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #exited: Promise<number | null>;
  #out = "";
  #err = "";

  constructor(file: string, argv: readonly string[], place: Place) {
    const stdio = ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"];
    this.#child = spawn(file, argv, { cwd: place.cwd, env: environment(place), stdio });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#out += text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#err += text));
    this.#exited = once(this.#child, "close").then(([code]) => code as number | null);
  }

  static command(argv: readonly string[], place: Place): Background {
    return new Background(process.execPath, [CLI, ...argv], place);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get out(): string {
    return this.#out;
  }

  get err(): string {
    return this.#err;
  }

  /** Until `text` was printed, to either stream. */
  async says(text: string): Promise<void> {
    let ended: string | null = null;
    void this.#exited.then((code) => (ended = `it ended with ${code}`));
    const check = () => {
      const said = `${this.#out}${this.#err}`;
      if (!said.includes(text))
        throw new Error(`it said not "${text}" but "${said}"; ${ended ?? "it goes on"}`);
    };
    await vi
      .waitUntil(
        () => {
          if (ended !== null) check();
          return `${this.#out}${this.#err}`.includes(text);
        },
        { timeout: SOON_MS, interval: 20 },
      )
      .catch(check);
  }

  /** The exit code; null when a signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    return this.#exited;
  }
}

/** Settings that shorten what a test would wait for. */
const MODULES = {
  health: { healthyForMs: 150, healthyWithinMs: 3_000 },
  restart: { backoffMs: 1_000, backoffMsMax: 1_000 },
};

/** A gateway's folder, and the process that runs there. The port stays the same over restarts. */
export class RunGateway implements AsyncDisposable {
  readonly root: string;
  readonly dir: string;
  readonly port: number;
  /** For what a test asks again and again; what it claims of the command it asks the command. */
  readonly management: ManagementClient;
  #process: Background | null = null;

  private constructor(root: string, port: number) {
    this.root = root;
    this.dir = join(root, "gateway");
    this.port = port;
    this.management = createManagementClient(this.dir);
  }

  static async init(id: string): Promise<RunGateway> {
    const root = mkdtempSync(join(tmpdir(), "sandpiper-e2e-"));
    const gateway = new RunGateway(root, await freePort());
    await gateway.does("init", "--id", id, "--hostname", "localhost");
    await gateway.configure({
      listeners: [{ protocol: "mqtt", host: "127.0.0.1", port: gateway.port }],
      modules: MODULES,
    });
    return gateway;
  }

  /** Changes keys of `gateway.json`, for the next start. */
  async configure(keys: object): Promise<void> {
    const file = join(this.dir, "gateway.json");
    const config = JSON.parse(await readFile(file, "utf8")) as object;
    await writeFile(file, JSON.stringify({ ...config, ...keys }));
  }

  get place(): Place {
    return { cwd: this.root, env: { SANDPIPER_DIR: this.dir } };
  }

  get process(): Background {
    if (this.#process === null) throw new Error("the gateway does not run");
    return this.#process;
  }

  /** Resolves when devices can connect. */
  async start(): Promise<void> {
    this.#process = Background.command(["run"], this.place);
    await this.#process.says("ready: gateway");
  }

  async stop(signal: NodeJS.Signals): Promise<number | null> {
    const code = await this.process.end(signal);
    this.#process = null;
    return code;
  }

  run(...argv: string[]): Promise<Ran> {
    return sandpiper(argv, this.place);
  }

  /** What a command that must succeed prints. */
  async does(...argv: string[]): Promise<string> {
    const { code, out, err } = await this.run(...argv);
    expect({ argv, code, err: code === 0 ? "" : err }).toEqual({ argv, code: 0, err: "" });
    return out;
  }

  /** The same as JSON: a value, or one for each line. */
  async json<T>(...argv: string[]): Promise<T> {
    return JSON.parse(await this.does(...argv, "--json")) as T;
  }

  async lines<T>(...argv: string[]): Promise<T[]> {
    const lines = (await this.does(...argv, "--json")).split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as T);
  }

  /** Connects as a device that exists. Rejects with the broker's answer. */
  async connect(device: string): Promise<MqttClient> {
    const { clientId, username, password } = await this.json<MqttLogin>("device", "token", device);
    return this.dial({ clientId, username, password });
  }

  dial(login: { clientId: string; username: string; password: string }): Promise<MqttClient> {
    const options = { ...login, protocolVersion: 4 as const, reconnectPeriod: 0, connectTimeout: 5_000 };
    return mqtt.connectAsync(`mqtt://127.0.0.1:${this.port}`, options, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.end("SIGKILL");
    rmSync(this.root, { recursive: true, force: true });
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
