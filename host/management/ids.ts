/** Names of devices and modules in requests. */
import { ID_PATTERN, ID_RULE } from "../folder/gateway-config.ts";
import { text } from "../http/fields.ts";

const ID_LENGTH_MAX = 128;

/** One that is there already: whichever names the hub has taken, now or when it was older. */
export const deviceId = text(/^[^/]+$/, ID_LENGTH_MAX, "the id of a device");
export const moduleId = text(/^[^/]+$/, ID_LENGTH_MAX, "the id of a module");

/** One that is to be. */
export const newId = text(new RegExp(ID_PATTERN), ID_LENGTH_MAX, ID_RULE);

/** What a path with a device, or a device and a module, names. */
export function namesIn(params: Readonly<Record<string, unknown>>): {
  readonly deviceId: string;
  readonly moduleId?: string;
} {
  const [device, module] = [params["deviceId"] as string, params["moduleId"] as string | undefined];
  return module === undefined ? { deviceId: device } : { deviceId: device, moduleId: module };
}
