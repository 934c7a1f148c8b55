/**
 * Keeps one module in the state it is wanted in. A thin shell: `state.ts` decides, this owns the timer and the
 * incarnation, and tells what happened: to the module's log for people, to `onChange` for the agent.
 */
import type { Fault } from "../../abi/index.ts";
import { Incarnation, type IncarnationContext, type IncarnationEnd, type ModuleRun } from "./incarnation.ts";
import type { Log } from "./log.ts";
import type { ModuleLogs } from "./module-log.ts";
import { countPinnedFault, type RestartPolicy, type RestartSettings } from "./restart-policy.ts";
import { step, STOPPED, type Effect, type EndCause, type ModuleEvent, type ModuleState } from "./state.ts";

export interface SupervisorContext extends IncarnationContext {
  readonly log: Log;
  readonly logs: Pick<ModuleLogs, "write">;
  readonly restart: RestartSettings;
}

/** Times are of the wall clock, ms; `null` = never. */
export interface ModuleStatus {
  readonly status: ModuleState["status"];
  /** One line for people. */
  readonly description: string;
  /** Counted restarts since the module last ran steadily. */
  readonly restarts: number;
  readonly startedAtMs: number | null;
  /** Without interruption, by the monotonic clock; `null` = does not run. */
  readonly runningForMs: number | null;
  readonly exitedAtMs: number | null;
  readonly restartedAtMs: number | null;
  /** 0 = running, or ended without a fault. */
  readonly exitCode: number;
  readonly lastFault: { readonly kind: string; readonly message: string; readonly atMs: number } | null;
  readonly faults: FaultCounts;
}

/** Since the gateway started. */
export interface FaultCounts {
  /** Belonged to a record, which is dead-lettered when it happens again. */
  readonly pinned: number;
  /** Ended the sandbox; the restart policy's business. */
  readonly unpinned: number;
  /** Overcome inside the sandbox without loss. */
  readonly recovered: number;
}

const STACK_LINES_MAX = 50;
/** After a recovery was written to the module's log, further ones are only counted for this long. */
const RECOVERY_QUIET_MS = 1_000;

export class Supervisor {
  #run: ModuleRun;
  readonly #context: SupervisorContext;
  readonly #onChange: () => void;
  #policy: RestartPolicy;
  #state: ModuleState = STOPPED;
  #incarnation: Incarnation | null = null;
  #cancelTimer: () => void = () => {};
  #onStopped: (() => void)[] = [];
  #quietUntilMs = 0;
  #pinnedAtMs: readonly number[] = [];
  #faults: FaultCounts = { pinned: 0, unpinned: 0, recovered: 0 };
  #lastFault: ModuleStatus["lastFault"] = null;
  #why = "";
  #startedAtMs: number | null = null;
  #runningSinceMs = 0;
  #exitedAtMs: number | null = null;
  #restartedAtMs: number | null = null;
  #exitCode = 0;

  /** `onChange` is called after each change of the status, never from inside a call to this object. */
  constructor(run: ModuleRun, policy: RestartPolicy, context: SupervisorContext, onChange: () => void) {
    this.#run = run;
    this.#policy = policy;
    this.#context = context;
    this.#onChange = onChange;
  }

  start(): void {
    this.#dispatch({ type: "start" });
  }

  /** Resolves when nothing of the module is left running. Bounded by the timeouts of an incarnation. */
  async stop(): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#onStopped.push(resolve));
    this.#dispatch({ type: "stop" });
    await stopped;
  }

  /** On an operator's word: at once, and counted from zero. Nothing when the module is wanted stopped. */
  restart(): void {
    this.#dispatch({ type: "restart" });
  }

  /** The hub was re-made and knows no module: whatever runs, or waits for the hub, is opened anew. */
  reopen(): void {
    const state = this.#state;
    if (state.status === "running" || (state.status === "backoff" && !state.counts)) this.restart();
  }

  get run(): ModuleRun {
    return this.#run;
  }

  /** What the next incarnation begins with. For a module that is told of changes while it runs. */
  setConfig({ config, configVersion }: Pick<ModuleRun, "config" | "configVersion">): void {
    this.#run = { ...this.#run, config, configVersion };
  }

  setPolicy(policy: RestartPolicy): void {
    this.#policy = policy;
    this.#dispatch({ type: "policy" });
  }

  get status(): ModuleStatus {
    return {
      status: this.#state.status,
      description: this.#describe(),
      restarts: "restarts" in this.#state ? this.#state.restarts : 0,
      startedAtMs: this.#startedAtMs,
      runningForMs:
        this.#state.status === "running" ? this.#context.clock.monotonicMs() - this.#runningSinceMs : null,
      exitedAtMs: this.#exitedAtMs,
      restartedAtMs: this.#restartedAtMs,
      exitCode: this.#exitCode,
      lastFault: this.#lastFault,
      faults: this.#faults,
    };
  }

  #dispatch(event: ModuleEvent): void {
    const before = this.#state;
    const { state, effects } = step(before, event, this.#policy, this.#context.restart);
    this.#state = state;
    if (event.type === "elapsed") this.#restartedAtMs = this.#context.clock.wallMs();
    if (event.type === "steady") this.#restartedAtMs = null;
    for (const effect of effects) this.#perform(effect);
    if (state.status === "stopped") {
      for (const resolve of this.#onStopped.splice(0)) resolve();
    }
    if (state.status === before.status) return;
    this.#announce(state);
    queueMicrotask(this.#onChange);
  }

  #perform(effect: Effect): void {
    const { clock, restart } = this.#context;
    const arm = (delayMs: number, event: "elapsed" | "steady"): void => {
      this.#cancelTimer();
      this.#cancelTimer = clock.after(delayMs, () => this.#dispatch({ type: event }));
    };
    switch (effect) {
      case "spawn":
        this.#incarnation = this.#spawn();
        return;
      case "terminate":
        this.#incarnation?.stop();
        return;
      case "arm_backoff":
        return arm("delayMs" in this.#state ? this.#state.delayMs : 0, "elapsed");
      case "arm_steady":
        return arm(restart.steadyMs, "steady");
      case "disarm":
        this.#cancelTimer();
    }
  }

  #spawn(): Incarnation {
    return new Incarnation(this.run, this.#context, {
      onReady: (incarnation) => {
        this.#startedAtMs = this.#context.clock.wallMs();
        this.#runningSinceMs = this.#context.clock.monotonicMs();
        this.#exitCode = 0;
        this.#tell("info", `started ${this.run.digest}, incarnation ${incarnation}`);
        this.#dispatch({ type: "ready" });
      },
      onLog: (level, text, atMs) => this.#context.logs.write(this.run.name, level, text, atMs),
      onRecovery: (fault) => this.#recovered(fault),
      onEnded: (end) => this.#ended(end),
    });
  }

  #ended(end: IncarnationEnd): void {
    const { clock } = this.#context;
    this.#incarnation = null;
    this.#exitedAtMs = clock.wallMs();
    this.#exitCode = end.why === "stopped" || end.why === "clean" ? 0 : 1;
    this.#dispatch({ type: "ended", cause: this.#causeOf(end) });
  }

  #causeOf(end: IncarnationEnd): EndCause {
    switch (end.why) {
      case "stopped":
      case "clean":
        this.#why = "ended";
        return "clean";
      case "host":
        this.#why = `could not run: ${end.error.message}`;
        return "host";
      case "fault":
        this.#why = `${end.fault.kind}: ${end.fault.message}`;
        this.#context.log.warn({ module: this.run.name, why: this.#why, pinned: end.pinned }, "module fault");
        this.#recordFault(end.fault, end.pinned ? "caused by a record" : "the sandbox ended");
        return end.pinned ? this.#countPinned() : this.#countUnpinned();
    }
  }

  /** A module may fault in every batch and go on: each is counted, and some are told. */
  #recovered(fault: Fault): void {
    this.#faults = { ...this.#faults, recovered: this.#faults.recovered + 1 };
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs < this.#quietUntilMs) return;
    this.#quietUntilMs = nowMs + RECOVERY_QUIET_MS;
    this.#recordFault(fault, "overcome without loss");
  }

  #countPinned(): EndCause {
    const { clock, restart } = this.#context;
    this.#faults = { ...this.#faults, pinned: this.#faults.pinned + 1 };
    const { recentMs, flood } = countPinnedFault(this.#pinnedAtMs, clock.monotonicMs(), restart);
    this.#pinnedAtMs = recentMs;
    return flood ? "flood" : "pinned";
  }

  #countUnpinned(): EndCause {
    this.#faults = { ...this.#faults, unpinned: this.#faults.unpinned + 1 };
    return "fault";
  }

  #recordFault(fault: Fault, consequence: string): void {
    this.#lastFault = { kind: fault.kind, message: fault.message, atMs: this.#context.clock.wallMs() };
    this.#tell("error", `fault ${fault.kind}: ${fault.message} (${consequence})`);
    for (const line of (fault.stack ?? "").split("\n").slice(0, STACK_LINES_MAX)) {
      if (line.trim() !== "") this.#context.logs.write(this.run.name, "error", `  ${line.trim()}`);
    }
  }

  #announce(state: ModuleState): void {
    const fields = { module: this.run.name, digest: this.run.digest };
    const { log } = this.#context;
    switch (state.status) {
      case "running":
        return log.info(fields, "module started");
      case "stopped":
        this.#tell("info", "stopped");
        return log.info(fields, "module stopped");
      case "exited":
        this.#tell("info", "ended");
        return log.info(fields, "module ended by itself");
      case "backoff":
      case "unhealthy":
        this.#tell("warn", this.#describe());
        return log.warn(
          { ...fields, status: state.status, delayMs: state.delayMs, why: this.#why },
          "module waits to be started again",
        );
      case "failed":
        this.#tell("error", this.#describe());
        return log.error({ ...fields, restarts: state.restarts, why: this.#why }, "module failed");
      case "starting":
      case "stopping":
    }
  }

  #describe(): string {
    const state = this.#state;
    switch (state.status) {
      case "backoff":
        return `waits ${state.delayMs / 1000} s before it starts again: ${this.#why}`;
      case "unhealthy":
        return `too many bad records, goes on in ${state.delayMs / 1000} s: ${this.#why}`;
      case "failed":
        return state.restarts > 0 ? `given up after ${state.restarts} restarts: ${this.#why}` : this.#why;
      default:
        return state.status;
    }
  }

  /** What happened to a module stands in its log among what it said. */
  #tell(level: "info" | "warn" | "error", text: string): void {
    this.#context.logs.write(this.run.name, level, `[sandpiper] ${text}`);
  }
}
