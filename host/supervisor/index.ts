/** Supervision: one module kept in the state it is wanted in, and its log. */
export { systemClock, within, type Clock } from "./clock.ts";
export { ModuleError, unknownModule } from "./errors.ts";
export { INCARNATION_TIMEOUTS, type ModuleHub, type ModuleRun } from "./incarnation.ts";
export { MODULE_LOG_LEVELS, type ModuleLogLevel } from "./log-line.ts";
export { LOG_FILE_DEFAULTS, type LogFileSettings } from "./log-file.ts";
export { createModuleLogs, type ModuleLogs } from "./module-log.ts";
export { isModuleName, MODULE_NAME_PATTERN } from "./module-name.ts";
export {
  RESTART_DEFAULTS,
  RESTART_POLICIES,
  type RestartPolicy,
  type RestartSettings,
} from "./restart-policy.ts";
export type { Sandbox, SandboxEvents, StartSandbox } from "./sandbox-face.ts";
export { Supervisor, type ModuleStatus, type SupervisorContext } from "./supervisor.ts";
