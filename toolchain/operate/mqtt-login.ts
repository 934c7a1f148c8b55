/** What a plain MQTT client has to say to connect as a device or module (contract §4.1, §6.1). */

/** Any will do: the hub asks for its presence, not for its value. */
const API_VERSION = "2021-04-12";

export interface MqttLogin {
  readonly clientId: string;
  readonly username: string;
  /** A shared access signature: good until `expires`, whoever has it. */
  readonly password: string;
  readonly expires: string;
  /** Where this identity publishes. */
  readonly topic: string;
}

export interface LoginIdentity {
  readonly deviceId: string;
  readonly moduleId: string | null;
  /** base64 */
  readonly primaryKey: string;
}

/** `hostname`: the one in the gateway's configuration; `expiresMs`: since 1970. */
export async function mqttLogin(
  { deviceId, moduleId, primaryKey }: LoginIdentity,
  hostname: string,
  expiresMs: number,
): Promise<MqttLogin> {
  const { createSasToken } = await import("../../hub/index.ts");
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
