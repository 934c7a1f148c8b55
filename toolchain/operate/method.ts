/** `sandpiper method invoke`: calls a method of a device or module, and prints what it answers. */
import type { MethodRequest } from "../../host/index.ts";
import type { Command } from "../command.ts";
import { stringOption } from "../develop/arguments.ts";
import { UsageError } from "../errors.ts";
import { wholeNumber } from "./arguments.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { readJsonArgument } from "./json-argument.ts";
import { MODULE_OPTION, targetOf } from "./target.ts";

const TIMEOUT_SECS = { min: 5, max: 300 } as const;
/** From here on a callee's own status is a failure of its own. */
const FAILED = 400;

export const methodInvokeCommand: Command = {
  name: "method invoke",
  group: "operate",
  summary: "call a method of a device or module; exit code 1 when its status is 400 or more",
  usage:
    "sandpiper method invoke [<device>] [--module <name>] <method> [--payload <json or file>] [--timeout <seconds>] [--wait <seconds>] [--dir <folder>] [--json]",
  example: `sandpiper method invoke thermo1 reboot --payload '{"seconds":5}'`,
  options: {
    ...DIR_OPTION,
    ...MODULE_OPTION,
    payload: { type: "string", description: "what the method gets, as JSON or a file of it" },
    timeout: { type: "string", description: "how long it may take to answer, 5 to 300 seconds (30)" },
    wait: { type: "string", description: "how long to wait for it to be connected, up to 300 seconds (0)" },
  },
  async run({ values, positionals, env, json, out }) {
    const methodName = positionals.at(-1);
    if (methodName === undefined) throw new UsageError("argument <method>: missing", `usage: ${this.usage}`);
    const [device, third] = positionals.slice(0, -1);
    if (third !== undefined)
      throw new UsageError(`argument "${third}": one too many`, `usage: ${this.usage}`);
    const target = targetOf(values, device, this.usage);
    const payload = stringOption(values, "payload");
    const timeout = wholeNumber(values, "timeout", TIMEOUT_SECS.max, TIMEOUT_SECS.min);
    const wait = wholeNumber(values, "wait", TIMEOUT_SECS.max);
    const request: MethodRequest = {
      methodName,
      ...(payload === undefined ? {} : { payload: await readJsonArgument(payload, "--payload") }),
      ...(timeout === undefined ? {} : { responseTimeoutInSeconds: timeout }),
      ...(wait === undefined ? {} : { connectTimeoutInSeconds: wait }),
    };
    const result = await (await gatewayClient(values, env)).invokeMethod(target, request);
    out(json ? JSON.stringify(result) : `${result.status} ${JSON.stringify(result.payload)}`);
    return result.status >= FAILED ? 1 : 0;
  },
};
