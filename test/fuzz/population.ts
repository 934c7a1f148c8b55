/** Who is registered with the hub under fuzz. Keys follow from the seed, so that streams with tokens can be sent again. */
import { createHmac } from "node:crypto";
import type { KeyedIdentity, RouteTable } from "../../hub/face.ts";
import { createSasToken } from "../../hub/identity/sas.ts";
import { GATEWAY } from "../support/hub.ts";

const DEVICES = 12;
const MODULES = 6;
/** In 2100: a stream kept in a file stays good. */
const TOKEN_EXPIRY_SECS = 4_102_444_800;
const QUEUE_BYTES_MAX = 1024 * 1024;
export const INPUT = "in";
export const CANARIES = ["mqtt", "amqp"] as const;
export type CanaryName = (typeof CANARIES)[number];

export interface Member {
  readonly identity: KeyedIdentity;
  /** `device` or `device/module`. */
  readonly name: string;
  /** `devices/...`, as audiences and addresses have it. */
  readonly path: string;
  readonly token: string;
}

export interface Population {
  /** Whose tokens streams hold. */
  readonly members: readonly Member[];
  readonly canaries: Readonly<Record<CanaryName, { readonly device: Member; readonly module: Member }>>;
  readonly routes: RouteTable;
}

export function populationOf(seed: number): Population {
  const member = (deviceId: string, moduleId?: string): Member => memberOf(seed, deviceId, moduleId);
  const canary = (name: CanaryName) => ({
    device: member(`canary-${name}`),
    module: member(GATEWAY, `canary-${name}`),
  });
  const modules = Array.from({ length: MODULES }, (_, i) => `m${i}`);
  return {
    members: [
      ...Array.from({ length: DEVICES }, (_, i) => member(`d${i}`)),
      ...modules.map((name) => member(GATEWAY, name)),
      member("d0", "m0"),
    ],
    canaries: { mqtt: canary("mqtt"), amqp: canary("amqp") },
    routes: routesOf(modules),
  };
}

function memberOf(seed: number, deviceId: string, moduleId?: string): Member {
  const name = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
  const path = moduleId === undefined ? `devices/${deviceId}` : `devices/${deviceId}/modules/${moduleId}`;
  const key = (which: string): string =>
    createHmac("sha256", `${seed}`).update(`${which} ${name}`).digest("base64");
  const keys = { primaryKey: key("primary"), secondaryKey: key("secondary"), enabled: true };
  return {
    identity: moduleId === undefined ? { deviceId, ...keys } : { deviceId, moduleId, ...keys },
    name,
    path,
    token: createSasToken(`${GATEWAY}/${path}`, keys.primaryKey, TOKEN_EXPIRY_SECS),
  };
}

const into = (module: string): string => `INTO BrokeredEndpoint("/modules/${module}/inputs/${INPUT}")`;

/** Canaries have queues of their own; all others share queues that drop their oldest, since hardly anybody reads. */
function routesOf(modules: readonly string[]): RouteTable {
  const routes = Object.fromEntries([
    ...CANARIES.map((name) => [
      `canary-${name}`,
      { route: `FROM /messages/* WHERE $connectionDeviceId = 'canary-${name}' ${into(`canary-${name}`)}` },
    ]),
    ...modules.map((module, i) => [
      module,
      { route: `FROM /messages/* WHERE $connectionDeviceId = 'd${i}' OR kind = '${i}' ${into(module)}` },
    ]),
    ["body", { route: `FROM /messages/* WHERE $body.celsius > 20 ${into("m0")}` }],
  ]);
  const queues = Object.fromEntries(
    modules.map((module) => [
      `${module}/${INPUT}`,
      { bytesMax: QUEUE_BYTES_MAX, overflow: "drop_oldest" as const, deliveriesMax: 3 },
    ]),
  );
  return { routes, timeToLiveSecs: 60, queues };
}
