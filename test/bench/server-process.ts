/** A server as a child process: started, waited for, and stopped by its own id. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { BenchError } from "./bench-error.ts";

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;
const PORT_POLL_MS = 20;

export interface ServerProcess {
  readonly pid: number;
  readonly stdin: Writable;
  /** Lines of its stdout. */
  readonly lines: AsyncIterator<string>;
  stop(): Promise<void>;
}

/**
 * @param env is added to the bench's own environment
 * @throws {BenchError} SP_BENCH_SERVER when the command cannot be started
 */
export async function startServer(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<ServerProcess> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ...env } });
  try {
    await once(child, "spawn");
  } catch (cause) {
    throw new BenchError("SP_BENCH_SERVER", `server: "${command}" does not start`, { cause });
  }
  // A server that died is told by the silence of `lines`, not by the pipe it left.
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { pid: child.pid!, stdin: child.stdin, lines, stop: () => stop(child) };
}

async function stop(child: ChildProcessByStdio<Writable, Readable, null>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await exit;
  clearTimeout(timer);
}

/** The next line of a server's stdout, which must be JSON. @throws {BenchError} SP_BENCH_SERVER */
export async function nextJson(server: ServerProcess, timeoutMs = START_TIMEOUT_MS): Promise<unknown> {
  const timeout = new AbortController();
  const late = delay(timeoutMs, null, { signal: timeout.signal }).catch(() => null);
  const line = await Promise.race([server.lines.next(), late]);
  timeout.abort();
  if (line === null) throw new BenchError("SP_BENCH_SERVER", `server: silent for ${timeoutMs} ms`);
  if (line.done === true) throw new BenchError("SP_BENCH_SERVER", "server: ended before it was ready");
  try {
    return JSON.parse(line.value);
  } catch (cause) {
    throw new BenchError("SP_BENCH_SERVER", `server: "${line.value}" is not JSON`, { cause });
  }
}

/** A port nobody listens on right now, for servers that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Resolves when somebody accepts connections. @throws {BenchError} SP_BENCH_SERVER */
export async function portOpen(port: number): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await accepts(port))) {
    if (Date.now() > deadline) throw new BenchError("SP_BENCH_SERVER", `server: nobody listens on ${port}`);
    await delay(PORT_POLL_MS);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
