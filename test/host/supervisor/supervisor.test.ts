import { expect, test } from "vitest";
import { INCARNATION_TIMEOUTS, type ModuleRun } from "../../../host/supervisor/incarnation.ts";
import { RESTART_DEFAULTS, type RestartPolicy } from "../../../host/supervisor/restart-policy.ts";
import { Supervisor } from "../../../host/supervisor/supervisor.ts";
import { fakeHub } from "../../support/fake-hub.ts";
import { fakeSandboxes } from "../../support/fake-sandbox.ts";
import { handClock, settle } from "../../support/hand-clock.ts";
import { keptLog } from "../../support/kept-log.ts";
import { moduleWasm } from "../../support/wasm.ts";

const run: ModuleRun = {
  name: "thermo",
  digest: `sha256:${"a".repeat(64)}`,
  module: new WebAssembly.Module(moduleWasm()),
  manifest: {
    name: "thermo",
    version: "1.0.0",
    abi: { major: 1, minor: 0 },
    inputs: ["in"],
    outputs: ["out", "alerts"],
    timers: [{ name: "tick", periodMs: 1000 }],
    capabilities: ["log"],
    memory: { maxBytes: 65_536 },
  },
  grants: ["log"],
  limits: {
    recordDeadlineMs: 1000,
    resultBytesMax: 4096,
    kvBytesMax: 4096,
    filesBytesMax: 0,
    logLinesPerSecond: 10,
  },
  env: new Map([["UNIT", "C"]]),
  config: { threshold: 40 },
  configVersion: 3,
  sourceMap: null,
};

function open(policy: RestartPolicy = "always") {
  const hub = fakeHub();
  const sandboxes = fakeSandboxes();
  const clock = handClock();
  const log = keptLog();
  const lines: string[] = [];
  const seen: string[] = [];
  const logs = { write: (_: string, level: string, text: string) => void lines.push(`${level} ${text}`) };
  const supervisor: Supervisor = new Supervisor(
    run,
    policy,
    {
      hub,
      startSandbox: sandboxes.startSandbox,
      clock,
      log,
      logs,
      restart: RESTART_DEFAULTS,
      timeouts: INCARNATION_TIMEOUTS,
    },
    () => seen.push(supervisor.status.status),
  );
  return { hub, sandboxes, clock, log, lines, seen, supervisor };
}

async function started(policy: RestartPolicy = "always") {
  const opened = open(policy);
  opened.supervisor.start();
  await settle();
  expect(opened.supervisor.status.status).toBe("running");
  return opened;
}

test("a start opens the module at the hub, starts its sandbox with what the hub gave, and reports it ready", async () => {
  const { hub, sandboxes, supervisor } = await started();
  expect(hub.calls).toEqual(["open thermo", "ready thermo"]);
  expect(hub.opened.get("thermo")!.spec).toEqual({
    name: "thermo",
    digest: run.digest,
    inputs: ["in"],
    outputs: ["out", "alerts"],
    timers: [{ name: "tick", periodMs: 1000 }],
    methods: [],
    capabilities: ["log"],
    desired: { threshold: 40 },
  });
  const { spec } = sandboxes.running("thermo")!;
  expect(spec).toMatchObject({
    digest: "a".repeat(64),
    config: { threshold: 40 },
    configVersion: 3,
    env: { UNIT: "C" },
    outputSources: [100, 101],
    incarnation: 1,
  });
  expect(spec.module).toBe(run.module);
  expect(supervisor.status.startedAtMs).toBe(Date.UTC(2026, 0, 1));
});

test("the hub and the sandbox hold the two ends of one link", async () => {
  const { hub, sandboxes } = await started();
  const received = new Promise((resolve) => hub.opened.get("thermo")!.port.once("message", resolve));
  sandboxes.running("thermo")!.link.postMessage("hello");
  expect(await received).toBe("hello");
});

test("a stop drains at the hub, then ends the sandbox, and resolves when nothing is left", async () => {
  const { hub, sandboxes, supervisor } = await started();
  await supervisor.stop();
  expect(hub.calls.at(-1)).toBe("close thermo drain");
  expect(sandboxes.running("thermo")).toBeUndefined();
  expect(supervisor.status).toMatchObject({ status: "stopped", exitCode: 0, lastFault: null });
});

test("an unpinned fault is a restart: counted, after a pause that doubles", async () => {
  const { hub, sandboxes, clock, supervisor } = await started();
  for (const [n, pause] of [10_000, 20_000, 40_000].entries()) {
    sandboxes.running("thermo")!.fault("wasi");
    await settle();
    expect(hub.calls.at(-1)).toBe("close thermo fault wasi");
    expect(supervisor.status).toMatchObject({ status: "backoff", restarts: n, exitCode: 1 });
    await clock.advance(pause - 1);
    expect(supervisor.status.status).toBe("backoff");
    await clock.advance(1);
    expect(supervisor.status).toMatchObject({ status: "running", restarts: n + 1, exitCode: 0 });
    expect(supervisor.status.restartedAtMs).toBe(clock.wallMs());
  }
  expect(supervisor.status.faults).toEqual({ pinned: 0, unpinned: 3, recovered: 0 });
  await clock.advance(600_000);
  expect(supervisor.status).toMatchObject({ restarts: 0, restartedAtMs: null });
});

test("a module that never stays up fails after twenty restarts, and not before", async () => {
  const { sandboxes, clock, supervisor, log } = open();
  sandboxes.behaviours.set("thermo", { kind: "init", message: "no config" });
  supervisor.start();
  await clock.advance(24 * 3600 * 1000);
  expect(sandboxes.starts.length).toBe(21);
  expect(supervisor.status).toMatchObject({
    status: "failed",
    restarts: 20,
    description: "given up after 20 restarts: init: no config",
  });
  expect(clock.armed).toBe(0);
  expect(log.kept.at(-1)).toMatchObject({ level: "error", message: "module failed" });
});

test("a jump of the wall clock neither shortens nor lengthens a pause", async () => {
  const { sandboxes, clock, supervisor } = await started();
  sandboxes.running("thermo")!.fault();
  await settle();
  clock.jumpWall(-3_600_000);
  await clock.advance(9_999);
  clock.jumpWall(7_200_000);
  expect(supervisor.status.status).toBe("backoff");
  await clock.advance(1);
  expect(supervisor.status.status).toBe("running");
});

test.for<RestartPolicy>(["never", "always"])(
  "a fault pinned to one record restarts at once and uncounted under policy %s",
  async (policy) => {
    const { hub, sandboxes, supervisor } = await started(policy);
    hub.pins = true;
    sandboxes.running("thermo")!.fault("deadline");
    await settle();
    expect(supervisor.status).toMatchObject({
      status: "running",
      restarts: 0,
      faults: { pinned: 1, unpinned: 0, recovered: 0 },
      lastFault: { kind: "deadline" },
    });
    expect(sandboxes.starts.length).toBe(2);
  },
);

test("a flood of pinned faults pauses the module as unhealthy, and never fails it", async () => {
  const { hub, sandboxes, clock, supervisor } = await started("on-failure");
  hub.pins = true;
  for (let flood = 0; flood < 30; flood++) {
    for (let i = 0; i <= RESTART_DEFAULTS.poisonFaultsMax; i++) {
      expect(supervisor.status.status).toBe("running");
      sandboxes.running("thermo")!.fault("deadline");
      await settle(3);
    }
    expect(supervisor.status).toMatchObject({ status: "unhealthy", restarts: 0 });
    await clock.advance(RESTART_DEFAULTS.poisonPauseMs);
  }
  expect(supervisor.status.status).toBe("running");
});

test("a clean end is left alone, or restarted under always", async () => {
  for (const [policy, status] of [
    ["on-failure", "exited"],
    ["always", "backoff"],
  ] as const) {
    const { sandboxes, supervisor } = await started(policy);
    sandboxes.running("thermo")!.exit(0);
    await settle();
    expect(supervisor.status).toMatchObject({ status, exitCode: 0 });
  }
});

test("a worker that ends with a code and no word is a fault", async () => {
  const { sandboxes, supervisor } = await started("never");
  sandboxes.running("thermo")!.exit(3);
  await settle();
  expect(supervisor.status).toMatchObject({ status: "failed", lastFault: { kind: "exit" } });
});

test("a hub that cannot open the module is waited for, uncounted, under every policy", async () => {
  const { hub, clock, supervisor, sandboxes } = open("never");
  hub.failNext.set("openModule", new Error("store is full"));
  supervisor.start();
  await settle();
  expect(supervisor.status).toMatchObject({ status: "backoff", lastFault: null });
  expect(supervisor.status.description).toContain("store is full");
  await clock.advance(10_000);
  expect(supervisor.status).toMatchObject({ status: "running", restarts: 0 });
  expect(sandboxes.starts.length).toBe(1);
});

test("an opening that the hub answers too late is closed, so that the next can be made", async () => {
  const { hub, clock, supervisor } = open();
  hub.silent.add("openModule");
  supervisor.start();
  await clock.advance(INCARNATION_TIMEOUTS.hubMs);
  expect(hub.calls).toEqual(["open thermo", "close thermo now"]);
  expect(supervisor.status).toMatchObject({ status: "backoff", restarts: 0 });
  hub.silent.clear();
  await clock.advance(10_000);
  expect(supervisor.status.status).toBe("running");
});

test("a hub that never answers does not keep a module from stopping", async () => {
  const { hub, clock, supervisor } = await started();
  hub.silent.add("closeModule");
  const stopped = supervisor.stop();
  await clock.advance(INCARNATION_TIMEOUTS.hubMs);
  await stopped;
  expect(supervisor.status.status).toBe("stopped");
});

test("a sandbox that never ends does not keep a module from stopping", async () => {
  const { sandboxes, clock, supervisor } = await started();
  sandboxes.stopsHang = true;
  const stopped = supervisor.stop();
  await clock.advance(INCARNATION_TIMEOUTS.stopMs * 2);
  await stopped;
  expect(supervisor.status.status).toBe("stopped");
});

test("a stop while the module comes up ends what came up", async () => {
  const { hub, sandboxes, supervisor } = open();
  supervisor.start();
  await supervisor.stop();
  expect(supervisor.status.status).toBe("stopped");
  expect(sandboxes.running("thermo")).toBeUndefined();
  expect(hub.opened.size).toBe(0);
});

test("a stop during a pause disarms it", async () => {
  const { sandboxes, clock, supervisor } = await started();
  sandboxes.running("thermo")!.fault();
  await settle();
  await supervisor.stop();
  await clock.advance(1_000_000);
  expect(sandboxes.starts.length).toBe(1);
  expect(clock.armed).toBe(0);
});

test("an operator's restart begins at once, even of a failed module", async () => {
  const { sandboxes, supervisor } = await started("never");
  sandboxes.running("thermo")!.fault();
  await settle();
  expect(supervisor.status.status).toBe("failed");
  supervisor.restart();
  await settle();
  expect(supervisor.status).toMatchObject({ status: "running", restarts: 0 });
});

test("when the hub was re-made, running modules are opened anew and failed ones are left alone", async () => {
  const { hub, supervisor, sandboxes } = await started("never");
  hub.failNext.set("closeModule", new Error("unknown module"));
  supervisor.reopen();
  await settle();
  expect(hub.calls.slice(2)).toEqual(["close thermo drain", "open thermo", "ready thermo"]);
  sandboxes.running("thermo")!.fault();
  await settle();
  supervisor.reopen();
  await settle();
  expect(supervisor.status.status).toBe("failed");
});

test("a policy changed in place takes effect on what the old one had given up", async () => {
  const { sandboxes, supervisor } = await started("never");
  sandboxes.running("thermo")!.fault();
  await settle();
  supervisor.setPolicy("on-failure");
  await settle();
  expect(supervisor.status.status).toBe("running");
});

test("what the module says and what happens to it stand in its log, in order", async () => {
  const { sandboxes, lines, supervisor, clock } = await started("on-failure");
  const sandbox = sandboxes.running("thermo")!;
  sandbox.events.onLog([{ level: "info", text: "hello", at: clock.wallMs() }]);
  sandbox.events.onRecovery({ kind: "control", fault: { kind: "abort", message: "once" } });
  sandbox.fault("unreachable", "assert failed");
  await settle();
  expect(lines).toEqual([
    `info [sandpiper] started ${run.digest}, incarnation 1`,
    "info hello",
    "error [sandpiper] fault abort: once (overcome without loss)",
    "error [sandpiper] fault unreachable: assert failed (the sandbox ended)",
    "error   at guest (a.ts:1:1)",
    "error   at main (a.ts:2:2)",
    "warn [sandpiper] waits 10 s before it starts again: unreachable: assert failed",
  ]);
  expect(supervisor.status.faults).toEqual({ pinned: 0, unpinned: 1, recovered: 1 });
});

test("a module that faults in every batch and recovers does not flood its log", async () => {
  const { sandboxes, lines, supervisor, clock, log } = await started();
  const { events } = sandboxes.running("thermo")!;
  const before = lines.length;
  for (let i = 0; i < 1_000; i++)
    events.onRecovery({ kind: "unpinned", fault: { kind: "trap", message: "x" } });
  await clock.advance(1_000);
  events.onRecovery({ kind: "unpinned", fault: { kind: "trap", message: "x" } });
  expect(supervisor.status.faults.recovered).toBe(1_001);
  expect(lines.length - before).toBe(2);
  expect(log.kept.filter(({ level }) => level !== "info")).toEqual([]);
});

test("each change of the status is told, after the fact", async () => {
  const { sandboxes, seen, supervisor } = await started("on-failure");
  sandboxes.running("thermo")!.fault();
  await settle();
  await supervisor.stop();
  await settle();
  expect(seen).toEqual(["starting", "running", "backoff", "stopped"]);
});
