/**
 * The deployment manifest's sections as JSON Schema (contract §1.2-1.4). Required is what the runtime of
 * IoT Edge requires; what only its command line tool demands has a default here. Keys that are not listed are
 * accepted and warned of.
 */
import { NAME_BYTES_MAX } from "../../abi/index.ts";
import { LOG_OVERFLOWS, OVERFLOWS, QUEUE_BYTES_MIN } from "../../hub/index.ts";
import { MODULE_NAME_PATTERN } from "../supervisor/module-name.ts";
import { RESTART_POLICIES } from "../supervisor/restart-policy.ts";
import type { Schema } from "./schema-check.ts";

export const MODULES_MAX = 100;
export const ROUTES_MAX = 1_000;
export const ROUTE_CHARACTERS_MAX = 8 * 1024;
export const UINT32_MAX = 4_294_967_295;
export const DELIVERIES_MAX = 255;
/** An endpoint: `module/input`, or `$upstream`. */
const QUEUE_NAME_PATTERN = "^([^/$#+]+/[^/#+]+|\\$upstream)$";
const ENV_VARIABLES_MAX = 200;
const TEXT_CHARACTERS_MAX = 4_096;

const text: Schema = { type: "string", maxLength: TEXT_CHARACTERS_MAX };
const nonBlank: Schema = { type: "string", pattern: "\\S", maxLength: TEXT_CHARACTERS_MAX };

const env: Schema = {
  type: "object",
  maxProperties: ENV_VARIABLES_MAX,
  propertyNames: { pattern: "^[^+#$\\s.]+$" },
  additionalProperties: {
    type: "object",
    required: ["value"],
    properties: { value: { type: ["string", "number", "boolean"] } },
  },
};

/** `createOptions` and its continuation chunks have rules of their own: `create-options.ts`. */
const settings: Schema = {
  type: "object",
  required: ["image"],
  additionalProperties: true,
  properties: { image: nonBlank, digest: text },
};

const ENTRY: Readonly<Record<string, Schema>> = {
  type: { type: "string", pattern: "^[dD][oO][cC][kK][eE][rR]$" },
  settings,
  env,
  version: text,
  imagePullPolicy: { enum: ["on-create", "never"] },
  startupOrder: { type: "integer", minimum: 0, maximum: UINT32_MAX },
  configuration: { type: "object" },
};
const STATUS: Readonly<Record<string, Schema>> = {
  status: { enum: ["running", "stopped"] },
  restartPolicy: { enum: RESTART_POLICIES },
};

const moduleEntry: Schema = {
  type: "object",
  required: ["type", "status", "settings"],
  properties: { ...ENTRY, ...STATUS },
};

/** The runtime itself is this program: entries of system modules are checked for form and shown, no more. */
const systemModule: Schema = { type: "object", properties: { ...ENTRY, ...STATUS } };

export const AGENT_SCHEMA: Schema = {
  type: "object",
  required: ["schemaVersion", "runtime", "modules"],
  properties: {
    schemaVersion: { type: "string" },
    runtime: {
      type: "object",
      required: ["type"],
      properties: {
        type: ENTRY["type"]!,
        settings: {
          type: "object",
          properties: {
            minDockerVersion: text,
            loggingOptions: text,
            registryCredentials: {
              type: "object",
              additionalProperties: {
                type: "object",
                required: ["address", "username", "password"],
                properties: {
                  address: { type: "string", pattern: "^\\S+$", maxLength: TEXT_CHARACTERS_MAX },
                  username: nonBlank,
                  password: nonBlank,
                },
              },
            },
          },
        },
      },
    },
    systemModules: { type: "object", properties: { edgeAgent: systemModule, edgeHub: systemModule } },
    modules: {
      type: "object",
      maxProperties: MODULES_MAX,
      propertyNames: { pattern: MODULE_NAME_PATTERN, maxLength: NAME_BYTES_MAX },
      additionalProperties: moduleEntry,
    },
  },
};

const timeToLive: Schema = { type: "integer", minimum: 0, maximum: UINT32_MAX };

/** Sandpiper's own: a misspelt bound is found by the outage it should have prevented, so nothing is let pass. */
const queuePolicy = (overflows: readonly string[]): Schema => ({
  type: "object",
  additionalProperties: false,
  properties: {
    maxBytes: { type: "integer", minimum: QUEUE_BYTES_MIN, maximum: Number.MAX_SAFE_INTEGER },
    overflow: { enum: overflows },
    maxDeliveryCount: { type: "integer", minimum: 1, maximum: DELIVERIES_MAX },
  },
});

export const HUB_SCHEMA: Schema = {
  type: "object",
  required: ["schemaVersion"],
  properties: {
    schemaVersion: { type: "string" },
    routes: {
      type: "object",
      maxProperties: ROUTES_MAX,
      propertyNames: { pattern: "^[^.$# ]+$", maxLength: NAME_BYTES_MAX },
      additionalProperties: {
        // Text, an object with options, or null: each keyword looks at its own kind only.
        type: ["string", "object", "null"],
        maxLength: ROUTE_CHARACTERS_MAX,
        required: ["route"],
        properties: {
          route: { type: "string", maxLength: ROUTE_CHARACTERS_MAX },
          priority: { type: "integer", minimum: 0, maximum: 9 },
          timeToLiveSecs: timeToLive,
        },
      },
    },
    storeAndForwardConfiguration: {
      type: "object",
      properties: {
        timeToLiveSecs: { type: "integer", minimum: -2_147_483_648, maximum: UINT32_MAX },
        queues: {
          type: "object",
          maxProperties: ROUTES_MAX,
          propertyNames: { pattern: QUEUE_NAME_PATTERN, maxLength: 2 * NAME_BYTES_MAX + 1 },
          properties: { $upstream: queuePolicy(LOG_OVERFLOWS) },
          additionalProperties: queuePolicy(OVERFLOWS),
        },
        storeLimits: { type: "object", properties: { maxSizeBytes: { type: "integer", minimum: 0 } } },
      },
    },
    mqttBroker: { type: "object", additionalProperties: true },
    integrity: { type: "object", additionalProperties: true },
  },
};
