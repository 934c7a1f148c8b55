/** Operating errors of the workload API. */
import { SandpiperError } from "../../abi/index.ts";

/** Code: SP_WORKLOAD_PORT. */
export class WorkloadError extends SandpiperError {}
