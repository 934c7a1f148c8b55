/** What a plain MQTT client has to say to connect as a device or module (contract §4.1, §6.1). */
import { createSasToken } from "../../hub/index.ts";
import type { MqttLogin } from "./api.ts";

/** Any will do: the hub asks for its presence, not for its value. */
const API_VERSION = "2021-04-12";

export interface LoginIdentity {
  readonly deviceId: string;
  readonly moduleId?: string | null;
  /** base64 */
  readonly primaryKey: string;
}

/** `hostname`: the one in the gateway's configuration; `expiresMs`: since 1970. */
export function mqttLogin(
  { deviceId, moduleId = null, primaryKey }: LoginIdentity,
  hostname: string,
  expiresMs: number,
): MqttLogin {
  const expiresSecs = Math.floor(expiresMs / 1000);
  const identity = moduleId === null ? deviceId : `${deviceId}/${moduleId}`;
  const path = moduleId === null ? `devices/${deviceId}` : `devices/${deviceId}/modules/${moduleId}`;
  return {
    clientId: identity,
    username: `${hostname}/${identity}/?api-version=${API_VERSION}`,
    password: createSasToken(`${hostname}/${path}`, primaryKey, expiresSecs),
    expires: new Date(expiresSecs * 1000).toISOString(),
    topic: `${path}/messages/events/`,
  };
}
