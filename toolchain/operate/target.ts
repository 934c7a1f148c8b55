/** Whose twin, or whose method: a device, a module of one, or one of the gateway's own modules. */
import { stringOption } from "../develop/arguments.ts";
import { UsageError } from "../errors.ts";
import type { Context } from "../command.ts";

export interface Target {
  /** Absent: the gateway itself. */
  readonly deviceId?: string;
  readonly moduleId?: string;
}

export const MODULE_OPTION = {
  module: { type: "string", description: "a module of it; without a device, one of the gateway's own" },
} as const;

export function targetOf(values: Context["values"], deviceId: string | undefined, usage: string): Target {
  const moduleId = stringOption(values, "module");
  if (moduleId === "") throw new UsageError('option --module "": no name', `usage: ${usage}`);
  if (deviceId === undefined && moduleId === undefined) {
    throw new UsageError("argument <device>: missing", `usage: ${usage}`);
  }
  return {
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(moduleId === undefined ? {} : { moduleId }),
  };
}
