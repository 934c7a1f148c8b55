/** Durations and bounds of the agent, in one object, so that a gateway or a test can shorten them. */
import { INCARNATION_TIMEOUTS, type IncarnationTimeouts } from "../supervisor/incarnation.ts";
import { LOG_FILE_DEFAULTS, type LogFileSettings } from "../supervisor/log-file.ts";
import { RESTART_DEFAULTS, type RestartSettings } from "../supervisor/restart-policy.ts";
import { HEALTH_DEFAULTS, type HealthSettings } from "./health.ts";

export interface AgentSettings {
  readonly restart: RestartSettings;
  readonly timeouts: IncarnationTimeouts;
  readonly health: HealthSettings;
  readonly moduleLog: LogFileSettings;
  /** Deployments that may wait for the one being applied. */
  readonly appliesMax: number;
}

export const AGENT_DEFAULTS: AgentSettings = {
  restart: RESTART_DEFAULTS,
  timeouts: INCARNATION_TIMEOUTS,
  health: HEALTH_DEFAULTS,
  moduleLog: LOG_FILE_DEFAULTS,
  appliesMax: 4,
};

export type PartialSettings = {
  readonly [K in keyof AgentSettings]?: AgentSettings[K] extends object
    ? Partial<AgentSettings[K]>
    : AgentSettings[K];
};

export const completeSettings = (given: PartialSettings = {}): AgentSettings => ({
  restart: { ...AGENT_DEFAULTS.restart, ...given.restart },
  timeouts: { ...AGENT_DEFAULTS.timeouts, ...given.timeouts },
  health: { ...AGENT_DEFAULTS.health, ...given.health },
  moduleLog: { ...AGENT_DEFAULTS.moduleLog, ...given.moduleLog },
  appliesMax: given.appliesMax ?? AGENT_DEFAULTS.appliesMax,
});
