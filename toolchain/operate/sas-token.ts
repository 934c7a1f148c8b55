/** What a plain MQTT client has to say to connect as a device or module (contract §4.1, §6.1). */
import { createHmac } from "node:crypto";

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
  readonly primaryKey: string;
}

/** `hostname` must be the one in the gateway's configuration. `key` is base64, and never leaves this function. */
export function mqttLogin(
  { deviceId, moduleId, primaryKey }: LoginIdentity,
  hostname: string,
  validMs: number,
  nowMs: number,
): MqttLogin {
  const expiry = Math.floor((nowMs + validMs) / 1000);
  const identity = moduleId === null ? deviceId : `${deviceId}/${moduleId}`;
  const path = moduleId === null ? `devices/${deviceId}` : `devices/${deviceId}/modules/${moduleId}`;
  const resource = encodeStrictly(`${hostname}/${path}`);
  const signature = createHmac("sha256", Buffer.from(primaryKey, "base64"))
    .update(`${resource}\n${expiry}`)
    .digest("base64");
  return {
    clientId: identity,
    username: `${hostname}/${identity}/?api-version=${API_VERSION}`,
    password: `SharedAccessSignature sr=${resource}&sig=${encodeStrictly(signature)}&se=${expiry}`,
    expires: new Date(expiry * 1000).toISOString(),
    topic: `${path}/messages/events/`,
  };
}

/** As the device SDKs do: also what encodeURIComponent leaves alone. */
const encodeStrictly = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
