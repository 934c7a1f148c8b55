import { expect, test } from "vitest";
import {
  RESTART_DEFAULTS,
  RESTART_POLICIES,
  type RestartPolicy,
} from "../../../host/supervisor/restart-policy.ts";
import {
  step,
  STOPPED,
  type Effect,
  type EndCause,
  type ModuleEvent,
  type ModuleState,
} from "../../../host/supervisor/state.ts";
import { randomFrom, seedOf } from "../../support/random.ts";

const starting = (restarts = 0): ModuleState => ({ status: "starting", restarts });
const running = (restarts = 0): ModuleState => ({ status: "running", restarts });
const stopping = (next: "stop" | "start"): ModuleState => ({ status: "stopping", next });
const backoff = (restarts: number, delayMs: number, counts = true): ModuleState => ({
  status: "backoff",
  restarts,
  delayMs,
  counts,
});
const unhealthy = (restarts = 0): ModuleState => ({
  status: "unhealthy",
  restarts,
  delayMs: RESTART_DEFAULTS.poisonPauseMs,
  counts: false,
});
const exited = (restarts = 0): ModuleState => ({ status: "exited", restarts });
const failed = (restarts = 0): ModuleState => ({ status: "failed", restarts });
const ended = (cause: EndCause): ModuleEvent => ({ type: "ended", cause });
const on = (type: Exclude<ModuleEvent["type"], "ended">): ModuleEvent => ({ type });

type Row = [
  policy: RestartPolicy,
  given: ModuleState,
  event: ModuleEvent,
  then: ModuleState,
  effects: Effect[],
];

/** The ordinary life of a module, and what an operator does to it. */
const life: Row[] = [
  ["always", STOPPED, on("start"), starting(), ["spawn"]],
  ["always", starting(2), on("ready"), running(2), ["arm_steady"]],
  ["always", running(2), on("steady"), running(0), []],
  ["always", running(2), on("stop"), stopping("stop"), ["disarm", "terminate"]],
  ["always", starting(), on("stop"), stopping("stop"), ["terminate"]],
  ["always", stopping("stop"), ended("clean"), STOPPED, []],
  ["always", stopping("stop"), ended("fault"), STOPPED, []],
  ["always", stopping("stop"), on("start"), stopping("start"), []],
  ["always", stopping("start"), on("stop"), stopping("stop"), []],
  ["always", stopping("start"), ended("clean"), starting(), ["spawn"]],
  ["always", running(3), on("restart"), stopping("start"), ["disarm", "terminate"]],
  ["always", backoff(3, 80_000), on("restart"), starting(0), ["disarm", "spawn"]],
  ["never", failed(), on("restart"), starting(0), ["spawn"]],
  ["never", exited(), on("restart"), starting(0), ["spawn"]],
  ["always", STOPPED, on("restart"), STOPPED, []],
  ["always", backoff(3, 80_000), on("stop"), STOPPED, ["disarm"]],
  ["always", unhealthy(), on("stop"), STOPPED, ["disarm"]],
  ["always", failed(20), on("start"), starting(0), ["spawn"]],
  ["never", exited(), on("stop"), STOPPED, []],
];

/** Policy × kind of end, from running: the matrix of J26 and contract §2.3. */
const endings: Row[] = [
  ["never", running(), ended("clean"), exited(), ["disarm"]],
  ["never", running(), ended("fault"), failed(), ["disarm"]],
  ["on-failure", running(), ended("clean"), exited(), ["disarm"]],
  ["on-failure", running(), ended("fault"), backoff(0, 10_000), ["arm_backoff"]],
  ["on-unhealthy", running(), ended("clean"), exited(), ["disarm"]],
  ["on-unhealthy", running(), ended("fault"), backoff(0, 10_000), ["arm_backoff"]],
  ["always", running(), ended("clean"), backoff(0, 10_000), ["arm_backoff"]],
  ["always", running(5), ended("fault"), backoff(5, 300_000), ["arm_backoff"]],
  ...RESTART_POLICIES.flatMap((policy): Row[] => [
    [policy, running(4), ended("pinned"), starting(4), ["disarm", "spawn"]],
    [policy, running(4), ended("flood"), unhealthy(4), ["arm_backoff"]],
    [policy, running(4), ended("host"), backoff(4, 10_000, false), ["arm_backoff"]],
  ]),
];

const waits: Row[] = [
  ["always", backoff(0, 10_000), on("elapsed"), starting(1), ["spawn"]],
  ["always", backoff(19, 300_000), on("elapsed"), starting(20), ["spawn"]],
  ["always", starting(20), ended("fault"), failed(20), []],
  ["always", running(20), ended("fault"), failed(20), ["disarm"]],
  ["always", running(20), ended("pinned"), starting(20), ["disarm", "spawn"]],
  ["always", unhealthy(7), on("elapsed"), starting(7), ["spawn"]],
  ["never", backoff(7, 10_000, false), on("elapsed"), starting(7), ["spawn"]],
];

/** A policy changed in place. */
const reconsidered: Row[] = [
  ["always", exited(2), on("policy"), starting(0), ["spawn"]],
  ["on-failure", exited(2), on("policy"), exited(2), []],
  ["on-failure", failed(20), on("policy"), starting(0), ["spawn"]],
  ["never", failed(0), on("policy"), failed(0), []],
  ["never", running(1), on("policy"), running(1), []],
];

/** Late messages, double timers: nothing happens. */
const late: Row[] = [
  ["always", STOPPED, ended("fault"), STOPPED, []],
  ["always", STOPPED, on("ready"), STOPPED, []],
  ["always", STOPPED, on("elapsed"), STOPPED, []],
  ["always", running(1), on("ready"), running(1), []],
  ["always", running(1), on("elapsed"), running(1), []],
  ["always", running(1), on("start"), running(1), []],
  ["always", backoff(1, 20_000), ended("fault"), backoff(1, 20_000), []],
  ["always", backoff(1, 20_000), on("steady"), backoff(1, 20_000), []],
  ["always", backoff(1, 20_000), on("start"), backoff(1, 20_000), []],
];

test.for([...life, ...endings, ...waits, ...reconsidered, ...late])(
  "under %s, %o on %o becomes %o with %j",
  ([policy, given, event, then, effects]) => {
    expect(step(given, event, policy, RESTART_DEFAULTS)).toEqual({ state: then, effects });
  },
);

const EVENTS: readonly ModuleEvent[] = [
  ...(["start", "stop", "restart", "ready", "elapsed", "steady", "policy"] as const).map(on),
  ...(["clean", "fault", "pinned", "flood", "host"] as const).map(ended),
];

test("no sequence of events makes two incarnations, two timers or too many restarts", () => {
  const { random, seed } = randomFrom(seedOf());
  const settings = { ...RESTART_DEFAULTS, restartsMax: 3 };
  for (let run = 0; run < 400; run++) {
    const policy = RESTART_POLICIES[Math.floor(random() * RESTART_POLICIES.length)]!;
    const trail: string[] = [`seed ${seed} run ${run} policy ${policy}`];
    let state: ModuleState = STOPPED;
    let alive = false;
    let armed = null as "backoff" | "steady" | null;
    let wanted = false;
    for (let i = 0; i < 60; i++) {
      const event = EVENTS[Math.floor(random() * EVENTS.length)]!;
      // What only the shell can cause, it causes only when it is true.
      if (event.type === "elapsed" && armed !== "backoff") continue;
      if (event.type === "steady" && armed !== "steady") continue;
      if (event.type === "ended" && !alive) continue;
      if (event.type === "start") wanted = true;
      if (event.type === "stop") wanted = false;
      if (event.type === "elapsed" || event.type === "steady") armed = null;
      if (event.type === "ended") alive = false;
      const next = step(state, event, policy, settings);
      trail.push(`${JSON.stringify(event)} -> ${JSON.stringify(next)}`);
      for (const effect of next.effects) {
        if (effect === "spawn") {
          expect(alive, trail.join("\n")).toBe(false);
          expect(wanted, trail.join("\n")).toBe(true);
          alive = true;
        }
        if (effect === "terminate") expect(alive, trail.join("\n")).toBe(true);
        if (effect === "arm_backoff") armed = "backoff";
        if (effect === "arm_steady") armed = "steady";
        if (effect === "disarm") armed = null;
      }
      state = next.state;
      const lives = ["starting", "running", "stopping"].includes(state.status);
      expect(alive, trail.join("\n")).toBe(lives);
      if (armed === "backoff") expect(["backoff", "unhealthy"], trail.join("\n")).toContain(state.status);
      if (armed === "steady") expect(state.status, trail.join("\n")).toBe("running");
      if (state.status === "backoff" || state.status === "unhealthy") expect(armed).toBe("backoff");
      if ("restarts" in state) expect(state.restarts, trail.join("\n")).toBeLessThanOrEqual(3);
      if (!wanted) expect(["stopped", "stopping"], trail.join("\n")).toContain(state.status);
    }
  }
});
