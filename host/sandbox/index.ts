/**
 * The sandbox: whether a module may run (`admitModule`), and running it (`startSandbox`). Knows modules and
 * the link to the hub; nothing of deployments, artifacts or restarts.
 */
export { admitModule, type AdmissionPolicy, type Admitted } from "./admission.ts";
export type { Recovery } from "./batch-runner.ts";
export { LinkRefusal, ModuleRefusal, SandboxStartError } from "./errors.ts";
export type { LogLevel, LogLine } from "./guest-log.ts";
export { decodeModuleManifest } from "./manifest.ts";
export { startSandbox, type Sandbox, type SandboxEvents, type SandboxOptions } from "./sandbox.ts";
export { Watchdog } from "./watchdog.ts";
