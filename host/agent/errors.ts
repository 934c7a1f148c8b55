/** Operating errors of the agent: deployments that cannot be used, and an agent that cannot take one. */
import { SandpiperError } from "../../abi/index.ts";
import { formatPath, type JsonPath } from "./json-path.ts";

/** `lastDesiredStatus` codes of a deployment that is refused as it is written (contract §2.1). */
export type RefusalStatus = 400 | 412 | 417;

const CODES: Readonly<Record<RefusalStatus, string>> = {
  400: "SP_DEPLOYMENT_FORMAT",
  412: "SP_DEPLOYMENT_VERSION",
  417: "SP_DEPLOYMENT_EMPTY",
};

/** Codes: SP_DEPLOYMENT_FORMAT, SP_DEPLOYMENT_VERSION, SP_DEPLOYMENT_EMPTY. */
export class DeploymentError extends SandpiperError {
  readonly status: RefusalStatus;
  /** Where in the manifest: `modulesContent.$edgeAgent["properties.desired"].modules.thermo.status`. */
  readonly path: string;

  constructor(
    status: RefusalStatus,
    path: JsonPath,
    what: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    const place = formatPath(path);
    super(CODES[status], place === "" ? `deployment: ${what}` : `deployment: ${place}: ${what}`, {
      ...options,
      details: { status, path: place },
    });
    this.status = status;
    this.path = place;
  }
}

/** Codes: SP_AGENT_BUSY, SP_AGENT_STOPPED, SP_AGENT_STORE, SP_STATE_SCHEMA. */
export class AgentError extends SandpiperError {}
