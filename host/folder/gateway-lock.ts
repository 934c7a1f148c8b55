/**
 * One gateway per folder: two would both open the store, and the store has one owner. The lock is a socket
 * that its holder listens on, so the kernel says whether the holder lives, whatever became of process ids.
 *
 * Locks are numbered. Who finds the highest one dead may claim the next number, which a hard link gives to
 * exactly one of several that try. No lock is removed while it is the highest, so nobody can take a living
 * one away by mistake.
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, readdir, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { GatewayError } from "../errors.ts";
import { socketPath } from "./socket-path.ts";

const LOCK_NAME = /^lock\.(\d+)$/;

export interface GatewayLock {
  release(): Promise<void>;
}

/**
 * @param runDir the gateway's `run` folder; made when a backup came without it
 * @throws {GatewayError} SP_GATEWAY_RUNNING
 */
export async function lockGateway(runDir: string): Promise<GatewayLock> {
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  const own = join(runDir, `lock.new-${randomBytes(8).toString("hex")}`);
  const held = await listen(own);
  try {
    for (;;) {
      const highest = await highestLock(runDir);
      if (highest > 0 && (await answers(join(runDir, `lock.${highest}`)))) throw alreadyRunning(runDir);
      if (await claim(own, join(runDir, `lock.${highest + 1}`))) break;
    }
  } catch (error) {
    await held.close();
    throw error;
  }
  await removeLesser(runDir);
  return { release: () => held.close() };
}

/** False when another one was faster; it may also have cleared our own away already. */
async function claim(own: string, lock: string): Promise<boolean> {
  try {
    await link(own, lock);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOENT") return false;
    throw error;
  }
}

async function listen(file: string): Promise<{ close(): Promise<void> }> {
  const short = socketPath(file);
  const server: Server = createServer((socket) => socket.destroy());
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(short.path, resolve);
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => {
        short.release();
        resolve();
      });
    });
  return { close };
}

function answers(file: string): Promise<boolean> {
  const short = socketPath(file);
  return new Promise((resolve) => {
    const socket = connect(short.path);
    const finish = (alive: boolean) => {
      socket.destroy();
      short.release();
      resolve(alive);
    };
    socket.once("connect", () => finish(true));
    // A full backlog is a living process too.
    socket.once("error", (error: NodeJS.ErrnoException) => finish(error.code === "EAGAIN"));
  });
}

async function highestLock(runDir: string): Promise<number> {
  const numbers = (await readdir(runDir)).map((name) => Number(LOCK_NAME.exec(name)?.[1] ?? 0));
  return Math.max(0, ...numbers);
}

async function removeLesser(runDir: string): Promise<void> {
  const highest = await highestLock(runDir);
  for (const name of await readdir(runDir)) {
    const number = LOCK_NAME.exec(name)?.[1];
    const isOld = number === undefined ? name.startsWith("lock.new-") : Number(number) < highest;
    if (isOld) await rm(join(runDir, name), { force: true });
  }
}

const alreadyRunning = (runDir: string): GatewayError =>
  new GatewayError("SP_GATEWAY_RUNNING", `gateway in "${join(runDir, "..")}": is running already`, {
    hint: "stop the other one first, or name another folder with --dir",
    details: {},
  });
