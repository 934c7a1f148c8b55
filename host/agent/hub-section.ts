/** The `$edgeHub` section of a deployment: routes and time to live, as the hub's route table (contract §1.4). */
import type { QueuePolicy, RouteSpec, RouteTable } from "../../hub/face.ts";
import { DeploymentError } from "./errors.ts";
import { formatPath, type JsonPath } from "./json-path.ts";
import { createCheck } from "./schema-check.ts";
import type { SchemaVersion } from "./schema-version.ts";

interface HubDesired {
  readonly routes?: Readonly<Record<string, string | RouteSpec | null>>;
  readonly storeAndForwardConfiguration?: {
    readonly timeToLiveSecs?: number;
    readonly storeLimits?: { readonly maxSizeBytes?: number };
    readonly queues?: Readonly<Record<string, WrittenPolicy>>;
  };
  readonly mqttBroker?: object;
  readonly integrity?: object;
}

interface WrittenPolicy {
  readonly maxBytes?: number;
  readonly overflow?: NonNullable<QueuePolicy["overflow"]>;
  readonly maxDeliveryCount?: number;
}

/** When the section is there without the value (documented), and when the section is missing (as coded). */
const TIME_TO_LIVE_SECS_DEFAULT = 7_200;
const NEVER_EXPIRES = -1;

const check = createCheck<HubDesired>("hub-desired");

/** @throws {DeploymentError} 400 */
export function decodeHubSection(
  section: unknown,
  version: SchemaVersion,
  at: JsonPath,
): { readonly table: RouteTable; readonly warnings: readonly string[] } {
  const desired = check(section, at);
  const store = desired.storeAndForwardConfiguration;
  if (!store && version.minor >= 1) {
    throw new DeploymentError(400, [...at, "storeAndForwardConfiguration"], "missing", {
      hint: 'schema 1.1 needs it, for example {"timeToLiveSecs": 7200}',
    });
  }
  return {
    table: {
      routes: decodeRoutes(desired.routes ?? {}, version, [...at, "routes"]),
      timeToLiveSecs: store ? (store.timeToLiveSecs ?? TIME_TO_LIVE_SECS_DEFAULT) : NEVER_EXPIRES,
      ...(store?.queues === undefined ? {} : { queues: decodeQueues(store.queues) }),
      ...(store?.storeLimits?.maxSizeBytes === undefined
        ? {}
        : { storeBytesMax: store.storeLimits.maxSizeBytes }),
    },
    warnings: (["mqttBroker", "integrity"] as const)
      .filter((key) => desired[key] !== undefined)
      .map((key) => `${formatPath([...at, key])}: not supported, has no effect`),
  };
}

function decodeQueues(queues: Readonly<Record<string, WrittenPolicy>>): Record<string, QueuePolicy> {
  const policies = Object.create(null) as Record<string, QueuePolicy>;
  for (const [endpoint, { maxBytes, overflow, maxDeliveryCount }] of Object.entries(queues)) {
    policies[endpoint] = {
      ...(maxBytes === undefined ? {} : { bytesMax: maxBytes }),
      ...(overflow === undefined ? {} : { overflow }),
      ...(maxDeliveryCount === undefined ? {} : { deliveriesMax: maxDeliveryCount }),
    };
  }
  return policies;
}

function decodeRoutes(
  routes: NonNullable<HubDesired["routes"]>,
  version: SchemaVersion,
  at: JsonPath,
): Record<string, RouteSpec> {
  // No prototype, so that a route may have any name.
  const table = Object.create(null) as Record<string, RouteSpec>;
  for (const [name, value] of Object.entries(routes)) {
    if (value === null) continue;
    if (typeof value === "object" && version.minor < 1) {
      throw new DeploymentError(400, [...at, name], "a route with options needs schemaVersion 1.1");
    }
    const spec = typeof value === "string" ? { route: value } : value;
    if (spec.route.trim() === "") continue;
    table[name] = {
      route: spec.route,
      ...(spec.priority === undefined ? {} : { priority: spec.priority }),
      ...(spec.timeToLiveSecs === undefined ? {} : { timeToLiveSecs: spec.timeToLiveSecs }),
    };
  }
  return table;
}
