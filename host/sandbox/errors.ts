/** Operating errors of the sandbox: a module that may not run, and one that did not come up. */
import { SandpiperError, type Fault } from "../../abi/index.ts";

/** Refused before anything of it ran: SP_MODULE_WASM, _ABI, _MEMORY, _MANIFEST. */
export class ModuleRefusal extends SandpiperError {}

/** Refused for what it imports: SP_MODULE_IMPORT_UNKNOWN, SP_MODULE_GRANT_MISSING. */
export class LinkRefusal extends ModuleRefusal {}

/** SP_MODULE_START: the worker or the module's own initialisation failed. */
export class SandboxStartError extends SandpiperError {
  readonly fault: Fault;

  constructor(module: string, fault: Fault) {
    super("SP_MODULE_START", `module "${module}": did not start: ${fault.message}`, {
      details: { module, fault },
      hint: "the module's log may say more; a module is given 10 s and its configuration to initialise",
    });
    this.fault = fault;
  }
}
