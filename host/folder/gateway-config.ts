/**
 * `gateway.json`: what one gateway is and where it listens. The schema below is the only list of keys and
 * defaults; docs/configuration.md says them in words, and a test holds the two together. Unknown keys are
 * errors, because a misspelt limit that is silently ignored is found by the outage it should have prevented.
 */
import { readFile } from "node:fs/promises";
import { hostname as osHostname } from "node:os";
import type { ErrorObject } from "ajv";
import {
  LOG_OVERFLOWS,
  OVERFLOWS,
  QUEUE_BYTES_MIN,
  STORE_DEFAULTS,
  type StoreConfig,
} from "../../hub/index.ts";
import { HEALTH_DEFAULTS, type HealthSettings } from "../agent/health.ts";
import { ConfigError } from "../errors.ts";
import { parseJsonText } from "../json-text.ts";
import { LOG_FILE_DEFAULTS, type LogFileSettings } from "../supervisor/log-file.ts";
import { loadValidator } from "../schema/validator.ts";
import { RESTART_DEFAULTS, type RestartSettings } from "../supervisor/restart-policy.ts";

export interface ListenerSettings {
  readonly protocol: "mqtt" | "mqtts" | "amqp" | "amqps" | "http" | "https";
  readonly host: string;
  readonly port: number;
  readonly portsToTry: number;
  /** For `mqtts`, `amqps` and `https`: PEM files, relative to the gateway folder. Absent = those that `init` made. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /**
   * For `mqtts`, `amqps` and `https`: PEM file, relative to the gateway folder, of who may sign certificates of devices.
   * Absent = nobody.
   */
  readonly deviceAuthorities?: string;
}

export interface GatewayConfig {
  readonly gatewayId: string;
  /** Name by which devices reach this gateway: in its certificate and in connection strings. */
  readonly hostname: string;
  readonly listeners: readonly ListenerSettings[];
  /** Where `store/` lies, relative to the gateway folder. Absent = there. */
  readonly storageFolder?: string;
  readonly store: StoreConfig;
  readonly modules: {
    readonly restart: Pick<RestartSettings, "backoffMs" | "backoffMsMax" | "restartsMax" | "steadyMs">;
    readonly health: HealthSettings;
    readonly log: Pick<LogFileSettings, "fileBytesMax" | "filesMax">;
  };
  readonly management: {
    readonly bodyBytesMax: number;
    /** `address:port` of the loopback. Absent = the Unix socket alone. */
    readonly listen?: string;
  };
  readonly workload: {
    /** The workload API on the loopback; absent = on sockets alone. */
    readonly http?: {
      readonly port: number;
      /** By module, the user (uid) that its process runs as. */
      readonly users: Readonly<Record<string, number>>;
    };
  };
}

/** Ports a listener has unless told: what is plain stays on the machine itself, TLS is for the network. */
export const LISTENER_DEFAULTS = {
  mqtt: { host: "127.0.0.1", port: 1883 },
  mqtts: { host: "0.0.0.0", port: 8883 },
  amqp: { host: "127.0.0.1", port: 5672 },
  amqps: { host: "0.0.0.0", port: 5671 },
  http: { host: "127.0.0.1", port: 80 },
  https: { host: "0.0.0.0", port: 443 },
} as const;

const SECURE: ReadonlySet<ListenerSettings["protocol"]> = new Set(["mqtts", "amqps", "https"]);

/** The listener shows a certificate. */
export const isSecure = (protocol: ListenerSettings["protocol"]): boolean => SECURE.has(protocol);

const LISTENERS_MAX = 8;
const WORKLOAD_USERS_MAX = 64;
/** The last one but -1, which is nobody at all. */
const UID_MAX = 0xff_ff_ff_fe;
const CONFIG_FILE_BYTES_MAX = 64 * 1024;
const MIB = 1024 * 1024;

/** An IoT Hub id without what means something in a topic, a URL or a connection string. */
export const ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._:@=,!()*'-]{0,127}$";
/** The same in words, for who gave another one. */
export const ID_RULE =
  "an id has letters, digits and . _ : @ = , ! ( ) * ' - after a first letter or digit, at most 128";
const HOSTNAME_PATTERN = "^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$";
const HOSTNAME_RULE = "a host name has letters, digits, dots and dashes; an address does as well";
const LOOPBACK_PATTERN = "^(127(\\.(25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}|\\[::1\\]):\\d{1,5}$";
const LOOPBACK_RULE = "for example 127.0.0.1:8088 or [::1]:8088; the rest of the world has no way in";

/** A part of the file that may be left out, as may every key in it. */
const section = <Properties extends object>(properties: Properties) =>
  ({ type: "object", additionalProperties: false, default: {}, properties }) as const;

const path = { type: "string", minLength: 1, maxLength: 4096 } as const;

const queueBytes = (bytes: number) =>
  ({ type: "integer", minimum: QUEUE_BYTES_MIN, default: bytes }) as const;

/** JSON Schema (draft 7). `description` and `default` are what docs/configuration.md must say. */
export const GATEWAY_CONFIG_SCHEMA = {
  $id: "sandpiper/gateway-config",
  type: "object",
  additionalProperties: false,
  required: ["gatewayId"],
  properties: {
    gatewayId: { type: "string", pattern: ID_PATTERN },
    hostname: { type: "string", pattern: HOSTNAME_PATTERN },
    listeners: {
      type: "array",
      maxItems: LISTENERS_MAX,
      default: [{ protocol: "mqtt" }, { protocol: "mqtts" }],
      items: {
        type: "object",
        additionalProperties: false,
        required: ["protocol"],
        properties: {
          protocol: { enum: ["mqtt", "mqtts", "amqp", "amqps", "http", "https"] },
          host: { type: "string", minLength: 1, maxLength: 253 },
          port: { type: "integer", minimum: 0, maximum: 65535 },
          portsToTry: { type: "integer", minimum: 0, maximum: 100, default: 0 },
          tls: {
            type: "object",
            additionalProperties: false,
            required: ["key", "cert"],
            properties: { key: path, cert: path },
          },
          deviceAuthorities: path,
        },
      },
    },
    storageFolder: path,
    store: section({
      backend: { enum: ["redo", "lmdb", "none"], default: STORE_DEFAULTS.backend },
      bytesMax: { type: "integer", minimum: 16 * MIB, default: STORE_DEFAULTS.bytesMax },
      lingerMs: { type: "integer", minimum: 0, maximum: 1000, default: STORE_DEFAULTS.lingerMs },
      graceMs: { type: "integer", minimum: 0, maximum: 1000, default: STORE_DEFAULTS.graceMs },
      logBytes: { type: "integer", minimum: MIB, maximum: 1024 * MIB, default: STORE_DEFAULTS.logBytes },
      checkpointBytes: {
        type: "integer",
        minimum: 64 * 1024,
        maximum: 1024 * MIB,
        default: STORE_DEFAULTS.checkpointBytes,
      },
      checkpointMs: {
        type: "integer",
        minimum: 100,
        maximum: 3_600_000,
        default: STORE_DEFAULTS.checkpointMs,
      },
      timeToLiveClock: { enum: ["powered", "wall"], default: STORE_DEFAULTS.timeToLiveClock },
      queues: section({
        input: section({
          bytesMax: queueBytes(STORE_DEFAULTS.queues.input.bytesMax),
          overflow: { enum: OVERFLOWS, default: STORE_DEFAULTS.queues.input.overflow },
        }),
        upstream: section({
          bytesMax: queueBytes(STORE_DEFAULTS.queues.upstream.bytesMax),
          overflow: { enum: LOG_OVERFLOWS, default: STORE_DEFAULTS.queues.upstream.overflow },
        }),
        deadLetters: section({ bytesMax: queueBytes(STORE_DEFAULTS.queues.deadLetters.bytesMax) }),
        devicebound: section({
          deliveriesMax: {
            type: "integer",
            minimum: 1,
            maximum: 100,
            default: STORE_DEFAULTS.queues.devicebound.deliveriesMax,
          },
        }),
      }),
    }),
    modules: section({
      restart: section({
        backoffMs: { type: "integer", minimum: 100, default: RESTART_DEFAULTS.backoffMs },
        backoffMsMax: { type: "integer", minimum: 100, default: RESTART_DEFAULTS.backoffMsMax },
        restartsMax: { type: "integer", minimum: 0, default: RESTART_DEFAULTS.restartsMax },
        steadyMs: { type: "integer", minimum: 0, default: RESTART_DEFAULTS.steadyMs },
      }),
      health: section({
        healthyForMs: { type: "integer", minimum: 0, default: HEALTH_DEFAULTS.healthyForMs },
        healthyWithinMs: { type: "integer", minimum: 0, default: HEALTH_DEFAULTS.healthyWithinMs },
      }),
      log: section({
        fileBytesMax: { type: "integer", minimum: 64 * 1024, default: LOG_FILE_DEFAULTS.fileBytesMax },
        filesMax: { type: "integer", minimum: 1, maximum: 100, default: LOG_FILE_DEFAULTS.filesMax },
      }),
    }),
    management: section({
      bodyBytesMax: { type: "integer", minimum: 64 * 1024, maximum: 64 * MIB, default: 4 * MIB },
      listen: { type: "string", pattern: LOOPBACK_PATTERN },
    }),
    workload: section({
      http: {
        type: "object",
        additionalProperties: false,
        required: ["port", "users"],
        properties: {
          port: { type: "integer", minimum: 0, maximum: 65535 },
          users: {
            type: "object",
            maxProperties: WORKLOAD_USERS_MAX,
            additionalProperties: { type: "integer", minimum: 0, maximum: UID_MAX },
          },
        },
      },
    }),
  },
} as const;

/** @throws {ConfigError} SP_CONFIG_MISSING, SP_CONFIG_INVALID @throws {JsonSyntaxError} */
export async function readGatewayConfig(file: string): Promise<GatewayConfig> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === "ENOENT" || code === "ENOTDIR" ? "there is none" : message;
    throw new ConfigError("SP_CONFIG_MISSING", `gateway configuration "${file}": ${reason}`, {
      hint: "make a gateway here with: sandpiper init, or name its folder with --dir or SANDPIPER_DIR",
      details: { file },
      cause,
    });
  }
  return decodeGatewayConfig(text, file);
}

/** `file` is what error messages call the text. @throws {ConfigError} @throws {JsonSyntaxError} */
export async function decodeGatewayConfig(text: string, file: string): Promise<GatewayConfig> {
  if (text.length > CONFIG_FILE_BYTES_MAX) {
    throw invalid(file, `${text.length} characters, more than ${CONFIG_FILE_BYTES_MAX}`);
  }
  const value = parseJsonText(text, file);
  const validate = loadValidator<
    Omit<GatewayConfig, "hostname" | "listeners"> & {
      hostname?: string;
      listeners: readonly (Partial<ListenerSettings> & Pick<ListenerSettings, "protocol" | "portsToTry">)[];
    }
  >("gateway-config");
  if (!validate(value)) throw describe(validate.errors![0]!, file);
  for (const [index, { protocol, tls, deviceAuthorities }] of value.listeners.entries()) {
    const key = tls ? "tls" : deviceAuthorities ? "deviceAuthorities" : null;
    if (!isSecure(protocol) && key) {
      throw invalid(file, `listeners[${index}].${key}: only for protocols "mqtts", "amqps" and "https"`);
    }
  }
  return {
    gatewayId: value.gatewayId,
    hostname: value.hostname ?? osHostname(),
    listeners: value.listeners.map((listener) => ({ ...LISTENER_DEFAULTS[listener.protocol], ...listener })),
    ...(value.storageFolder === undefined ? {} : { storageFolder: value.storageFolder }),
    store: value.store,
    modules: value.modules,
    management: value.management,
    workload: value.workload,
  };
}

/** What each pattern asks for, in words. */
const RULES: Readonly<Record<string, string>> = {
  [ID_PATTERN]: ID_RULE,
  [HOSTNAME_PATTERN]: HOSTNAME_RULE,
  [LOOPBACK_PATTERN]: LOOPBACK_RULE,
};

/** One ajv error as a place, what is wrong there, and the keys or values that would be right. */
function describe(error: ErrorObject, file: string): ConfigError {
  const place = error.instancePath
    .slice(1)
    .replaceAll(/\/(\d+)/g, "[$1]")
    .replaceAll("/", ".");
  const inside = (key: string) => (place === "" ? key : `${place}.${key}`);
  const parent = error.parentSchema as { properties?: object } | undefined;
  switch (error.keyword) {
    case "additionalProperties":
      return invalid(
        file,
        `${inside(String(error.params["additionalProperty"]))}: unknown key`,
        `known keys here: ${Object.keys(parent?.properties ?? {}).join(", ")}`,
      );
    case "required":
      return invalid(file, `${inside(String(error.params["missingProperty"]))}: missing`);
    case "enum":
      return invalid(
        file,
        `${place}: ${JSON.stringify(error.data)} is not one of ${JSON.stringify(error.params["allowedValues"])}`,
      );
    case "pattern":
      return invalid(
        file,
        error.schema === LOOPBACK_PATTERN
          ? `${place}: ${JSON.stringify(error.data)} is no address of the loopback with a port`
          : `${place}: ${JSON.stringify(error.data)} has characters that are not allowed`,
        RULES[String(error.schema)],
      );
    default:
      return invalid(file, `${place || "the whole"}: ${JSON.stringify(error.data)} ${error.message}`);
  }
}

const invalid = (file: string, what: string, hint?: string): ConfigError =>
  new ConfigError("SP_CONFIG_INVALID", `${file}: ${what}`, {
    hint: hint ?? "docs/configuration.md lists every key, its default and its unit",
    details: { file },
  });
