/** The agent: from a deployment manifest to running modules. */
export { createAgent, type Agent, type AgentHub, type AgentOptions } from "./agent.ts";
export { decodeDeployment, type Deployment, type ModuleDesired } from "./deployment.ts";
export { AgentError, DeploymentError } from "./errors.ts";
export type { ModuleView } from "./module-view.ts";
export type { RuntimeStatus, VersionInfo } from "./reported.ts";
export type { Admit, Admitted } from "./resolve.ts";
export { AGENT_DEFAULTS, type AgentSettings, type PartialSettings } from "./settings.ts";
export type { DeploymentStatus } from "./status.ts";
