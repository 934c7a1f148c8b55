/**
 * The hub in a thread of its own: what a composition root starts and talks to. If the thread ends by itself,
 * `onFailure` says why, and the owner makes a new one from disk; nothing that was acknowledged is lost.
 */
import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { SandpiperError } from "../../abi/index.ts";
import type { Hub } from "../face.ts";
import { caller } from "./rpc.ts";

/** How long the thread may take to close its store before it is ended, ms. */
const CLOSE_MS_MAX = 15_000;

const METHODS = [
  "start",
  "setRoutes",
  "settleRoutes",
  "openModule",
  "moduleReady",
  "closeModule",
  "forgetModule",
  "addIdentity",
  "changeIdentity",
  "removeIdentity",
  "identities",
  "identity",
  "clients",
  "twin",
  "changeTwin",
  "setModuleTwins",
  "invokeMethod",
  "sendDevicebound",
  "devicebound",
  "purgeDevicebound",
  "readFeedback",
  "readEvents",
  "queues",
  "deadLetters",
  "deadLetter",
  "replayDeadLetters",
  "purgeDeadLetters",
  "openTap",
  "readTap",
  "closeTap",
  "compact",
  "keyValues",
  "status",
  "setCertificates",
] as const satisfies readonly (keyof Hub)[];

export interface HubThread extends Hub {
  /** The thread has ended without being asked to. Called at most once. */
  onFailure(listener: (error: Error) => void): void;
}

/** @param entry the compiled `hub/thread.js`; Node 20 cannot start a thread from TypeScript */
export function createHubThread(entry: URL = defaultEntry()): HubThread {
  const worker = new Worker(entry, { name: "hub" });
  const calls = caller(worker);
  let closing = false;
  let failed: ((error: Error) => void) | null = null;
  let reason: Error | null = null;
  worker.on("error", (error) => (reason = error instanceof Error ? error : new Error(String(error))));
  worker.on("exit", () => {
    const error = new SandpiperError(
      "SP_HUB_ENDED",
      `hub thread: ended${reason === null ? "" : `: ${reason.message}`}`,
      {
        cause: reason,
        hint: "it is made anew from its store",
      },
    );
    calls.fail(error);
    if (!closing) failed?.(error);
  });
  const methods = Object.fromEntries(
    METHODS.map((name) => [name, (...args: unknown[]) => calls.call(name, args)]),
  );
  const close = async (): Promise<void> => {
    closing = true;
    const timer = setTimeout(() => void worker.terminate(), CLOSE_MS_MAX);
    await calls.call("close", []).catch(() => undefined);
    clearTimeout(timer);
    await worker.terminate();
  };
  return { ...(methods as unknown as Hub), close, onFailure: (listener) => (failed = listener) };
}

/** From source (tests), the thread runs the build beside it; of that, the bundle when it was made. */
function defaultEntry(): URL {
  const here = import.meta.url;
  const build = new URL(here.endsWith(".ts") ? "../../dist/hub/thread/" : "./", here);
  const bundle = new URL("./thread.bundle.js", build);
  return existsSync(bundle) ? bundle : new URL("./thread.js", build);
}
