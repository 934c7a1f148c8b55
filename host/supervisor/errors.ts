/** Operating errors about modules as they run. */
import { SandpiperError } from "../../abi/index.ts";

/** Codes: SP_MODULE_UNKNOWN. */
export class ModuleError extends SandpiperError {}

export const unknownModule = (name: string): ModuleError =>
  new ModuleError(
    "SP_MODULE_UNKNOWN",
    `module ${JSON.stringify(name.slice(0, 200))}: not in the deployment`,
    {
      hint: "list the modules with: sandpiper list",
      details: { module: name.slice(0, 200) },
    },
  );
