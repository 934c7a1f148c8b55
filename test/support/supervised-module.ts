/** A module in a sandbox of its own, from the build, supervised as in a gateway, on a hub of the test's. */
import { digestOf, RECORD_DEADLINE_MS_DEFAULT, RESULT_BYTES_MAX, type Capability } from "../../abi/index.ts";
import type { Hub } from "../../hub/face.ts";
import { admitModule, startSandbox } from "../../host/sandbox/index.ts";
import {
  INCARNATION_TIMEOUTS,
  RESTART_DEFAULTS,
  Supervisor,
  systemClock,
  type ModuleRun,
} from "../../host/supervisor/index.ts";
import { keptLog } from "./kept-log.ts";

export interface SupervisedModule extends AsyncDisposable {
  readonly supervisor: Supervisor;
  /** What stands in its log. */
  readonly lines: readonly string[];
}

export interface SuperviseOptions {
  readonly name: string;
  readonly grants?: readonly Capability[];
  readonly config?: unknown;
  readonly recordDeadlineMs?: number;
}

const GRANTS = ["log", "kv", "clock", "random", "twin", "invoke"] as const;

/** Resolves when it runs. */
export async function supervise(
  hub: Hub,
  wasm: Uint8Array,
  { name, grants = GRANTS, config = {}, recordDeadlineMs = RECORD_DEADLINE_MS_DEFAULT }: SuperviseOptions,
): Promise<SupervisedModule> {
  const run: ModuleRun = {
    ...admitModule(wasm, { grants, memoryBytesMax: 2 ** 24 }),
    name,
    digest: digestOf(wasm),
    limits: {
      recordDeadlineMs,
      resultBytesMax: RESULT_BYTES_MAX,
      kvBytesMax: 2 ** 20,
      filesBytesMax: 0,
      logLinesPerSecond: 100,
    },
    env: new Map(),
    config,
    configVersion: 1,
    sourceMap: null,
  };
  const lines: string[] = [];
  const running: (() => void)[] = [];
  const supervisor: Supervisor = new Supervisor(
    run,
    "always",
    {
      hub,
      startSandbox,
      clock: systemClock,
      log: keptLog(),
      logs: { write: (_name, _level, text) => void lines.push(text) },
      restart: RESTART_DEFAULTS,
      timeouts: INCARNATION_TIMEOUTS,
    },
    () => {
      if (supervisor.status.status === "running") for (const resolve of running.splice(0)) resolve();
    },
  );
  const isRunning = new Promise<void>((resolve) => running.push(resolve));
  supervisor.start();
  await isRunning;
  return {
    supervisor,
    lines,
    async [Symbol.asyncDispose]() {
      await supervisor.stop();
    },
  };
}
