/** The face of `host/workload/`: importing it loads nothing to speak of. */
export type { WorkloadBackend } from "./backend.ts";
export type { ModuleEnvironment } from "./environment.ts";
export { Workload } from "./workload.ts";
