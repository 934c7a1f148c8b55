/**
 * Devices and modules as a hub with IoT Hub's contract knows them: keys, shared access signatures (contract §6.1),
 * and the file of identities the load generator connects with.
 */
import { createHmac, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { KeyedIdentity } from "../../hub/face.ts";

const API_VERSION = "2021-04-12";
const TOKEN_SECONDS = 3600;
const KEY_BYTES = 32;

export function createIdentity(deviceId: string, moduleId?: string): KeyedIdentity {
  const key = () => randomBytes(KEY_BYTES).toString("base64");
  const identity = { deviceId, primaryKey: key(), secondaryKey: key(), enabled: true };
  return moduleId === undefined ? identity : { ...identity, moduleId };
}

/** `expiry` in seconds since 1970. */
export function sharedAccessSignature(resource: string, primaryKey: string, expiry: number): string {
  const signed = encodeURIComponent(resource);
  const signature = createHmac("sha256", Buffer.from(primaryKey, "base64"))
    .update(`${signed}\n${expiry}`)
    .digest("base64");
  return `SharedAccessSignature sr=${signed}&sig=${encodeURIComponent(signature)}&se=${expiry}`;
}

/** What a client sends in CONNECT. */
export interface Login {
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
}

export function loginOf(identity: KeyedIdentity, host: string, nowMs: number): Login {
  const { deviceId, moduleId } = identity;
  const clientId = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
  const path = moduleId === undefined ? deviceId : `${deviceId}/modules/${moduleId}`;
  const expiry = Math.floor(nowMs / 1000) + TOKEN_SECONDS;
  return {
    clientId,
    username: `${host}/${clientId}/?api-version=${API_VERSION}`,
    password: sharedAccessSignature(`${host}/devices/${path}`, identity.primaryKey, expiry),
  };
}

/** Publishers: `topic` is published to. Subscribers: it is a filter. */
export interface Client extends Login {
  readonly topic: string;
}

/** Readable by its owner only: it holds tokens. Returns `path`. */
export function writeClients(path: string, clients: readonly Client[]): string {
  const lines = clients.map((c) => `${c.clientId}\t${c.username}\t${c.password}\t${c.topic}\n`);
  writeFileSync(path, lines.join(""), { mode: 0o600 });
  return path;
}
