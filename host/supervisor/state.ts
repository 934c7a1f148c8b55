/**
 * The life of one module, as a pure function. `supervisor.ts` owns the timer, the link and the sandbox and
 * does what `effects` say; what is worth arguing about is here, and is tested as a table.
 *
 *   stopped ──start──▶ starting ──ready──▶ running ──ended──▶ backoff ──elapsed──▶ starting
 *      ▲                  ▲  └────ended──────┤ │ │               ├─ restarts used up ─▶ failed
 *      │                  └──ended, pinned───┘ │ └─ended, flood─▶ unhealthy ──elapsed──▶ starting
 *      └───────ended─────── stopping ◀──stop───┘     (a clean end that the policy accepts: exited)
 *
 * Invariants: one incarnation at a time (`spawn` never while one lives); one timer at a time, armed only in
 * backoff, unhealthy and running; a module told to stop starts only when told to start.
 *
 * Durations are of the monotonic clock, so a jump of the wall clock changes nothing.
 */
import { backoffDelayMs, restartsAfter, type RestartPolicy, type RestartSettings } from "./restart-policy.ts";

export type ModuleState =
  | { readonly status: "stopped" }
  | { readonly status: "starting" | "running"; readonly restarts: number }
  | { readonly status: "stopping"; readonly next: "stop" | "start" }
  /** Down, and to be started again after `delayMs`; `counts` = that start uses up one restart. */
  | {
      readonly status: "backoff" | "unhealthy";
      readonly restarts: number;
      readonly delayMs: number;
      readonly counts: boolean;
    }
  /** Ended by itself, cleanly; the policy leaves it so. */
  | { readonly status: "exited"; readonly restarts: number }
  /** Ended by a fault; the policy leaves it so, or its restarts are used up. */
  | { readonly status: "failed"; readonly restarts: number };

/**
 * `clean`, `fault`: see `Ending`. `pinned`: the record at fault is known and dead-lettered; `flood`: the
 * same, once too often. `host`: not the module's doing (the hub could not open it, or was re-made).
 */
export type EndCause = "clean" | "fault" | "pinned" | "flood" | "host";

export type ModuleEvent =
  | { readonly type: "start" | "stop" | "restart" | "ready" | "elapsed" | "steady" | "policy" }
  | { readonly type: "ended"; readonly cause: EndCause };

/** `arm_*` replaces whatever timer is armed. */
export type Effect = "spawn" | "terminate" | "arm_backoff" | "arm_steady" | "disarm";
export interface Transition {
  readonly state: ModuleState;
  readonly effects: readonly Effect[];
}

export const STOPPED: ModuleState = { status: "stopped" };

/** An event that means nothing in `state` changes nothing: late messages are normal. */
export function step(
  state: ModuleState,
  event: ModuleEvent,
  policy: RestartPolicy,
  settings: RestartSettings,
): Transition {
  switch (event.type) {
    case "start":
      return start(state);
    case "stop":
      return stop(state);
    case "restart":
      return restart(state);
    case "ready":
      return state.status === "starting"
        ? to({ status: "running", restarts: state.restarts }, "arm_steady")
        : stay(state);
    case "elapsed":
      return state.status === "backoff" || state.status === "unhealthy"
        ? spawn(state.restarts + (state.counts ? 1 : 0))
        : stay(state);
    case "steady":
      return state.status === "running" ? to({ status: "running", restarts: 0 }) : stay(state);
    case "policy":
      return reconsider(state, policy);
    case "ended":
      return ended(state, event.cause, policy, settings);
  }
}

function start(state: ModuleState): Transition {
  switch (state.status) {
    case "stopped":
    case "exited":
    case "failed":
      return spawn(0);
    case "stopping":
      return to({ status: "stopping", next: "start" });
    default:
      return stay(state);
  }
}

function stop(state: ModuleState): Transition {
  switch (state.status) {
    case "starting":
      return to({ status: "stopping", next: "stop" }, "terminate");
    case "running":
      return to({ status: "stopping", next: "stop" }, "disarm", "terminate");
    case "stopping":
      return to({ status: "stopping", next: "stop" });
    case "backoff":
    case "unhealthy":
      return to(STOPPED, "disarm");
    default:
      return to(STOPPED);
  }
}

/** By an operator: the count begins anew. A module that is wanted stopped stays so. */
function restart(state: ModuleState): Transition {
  switch (state.status) {
    case "running":
      return to({ status: "stopping", next: "start" }, "disarm", "terminate");
    case "backoff":
    case "unhealthy":
      return { state: { status: "starting", restarts: 0 }, effects: ["disarm", "spawn"] };
    case "exited":
    case "failed":
      return spawn(0);
    default:
      return stay(state);
  }
}

/** The policy was changed in place: what the old one gave up, the new one may want running. */
function reconsider(state: ModuleState, policy: RestartPolicy): Transition {
  if (state.status === "exited" && restartsAfter(policy, "clean")) return spawn(0);
  if (state.status === "failed" && restartsAfter(policy, "fault")) return spawn(0);
  return stay(state);
}

function ended(
  state: ModuleState,
  cause: EndCause,
  policy: RestartPolicy,
  settings: RestartSettings,
): Transition {
  if (state.status === "stopping") return state.next === "start" ? spawn(0) : to(STOPPED);
  if (state.status !== "starting" && state.status !== "running") return stay(state);
  const { restarts } = state;
  const wait = (status: "backoff" | "unhealthy", delayMs: number, counts: boolean): Transition =>
    to({ status, restarts, delayMs, counts }, "arm_backoff");
  const leave = (left: ModuleState): Transition =>
    state.status === "running" ? to(left, "disarm") : to(left);
  switch (cause) {
    case "pinned":
      return {
        state: { status: "starting", restarts },
        effects: state.status === "running" ? ["disarm", "spawn"] : ["spawn"],
      };
    case "flood":
      return wait("unhealthy", settings.poisonPauseMs, false);
    case "host":
      return wait("backoff", settings.backoffMs, false);
    case "clean":
    case "fault":
      if (!restartsAfter(policy, cause)) {
        return leave({ status: cause === "clean" ? "exited" : "failed", restarts });
      }
      if (restarts >= settings.restartsMax) return leave({ status: "failed", restarts });
      return wait("backoff", backoffDelayMs(restarts, settings), true);
  }
}

const stay = (state: ModuleState): Transition => ({ state, effects: [] });
const to = (state: ModuleState, ...effects: Effect[]): Transition => ({ state, effects });
const spawn = (restarts: number): Transition => to({ status: "starting", restarts }, "spawn");
