/** Names of devices and modules in requests. */
import { ID_PATTERN, ID_RULE } from "../folder/gateway-config.ts";
import { text } from "../http/fields.ts";

const ID_LENGTH_MAX = 128;

/** One that is there already: whichever names the hub has taken, now or when it was older. */
export const deviceId = text(/^[^/]+$/, ID_LENGTH_MAX, "the id of a device");
export const moduleId = text(/^[^/]+$/, ID_LENGTH_MAX, "the id of a module");

/** One that is to be. */
export const newId = text(new RegExp(ID_PATTERN), ID_LENGTH_MAX, ID_RULE);
