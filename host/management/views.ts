/** Schemas of what the management API answers; the types are in api.ts, and the compiler holds them together. */
import type { ErrorRecord, Fault, Property } from "../../abi/index.ts";
import {
  ACKS,
  type ClientTrouble,
  type FlashBudget,
  type LetterPlace,
  type ReplayRefusal,
} from "../../hub/index.ts";
import { ACTIVITY_KINDS } from "./api.ts";
import type {
  ActivityPage,
  ActivityRecord,
  Compaction,
  DeadLetterPageView,
  DeadLetterView,
  DeploymentStatus,
  DeviceboundSent,
  DeviceboundWaitingView,
  DeviceCreated,
  DeviceDetail,
  DeviceRegistered,
  DeviceView,
  EventPageView,
  EventView,
  FeedbackPage,
  FlashUse,
  GatewayStatus,
  HubStatus,
  KeyRenewed,
  ListenerStatus,
  MethodResult,
  ModuleEnvironment,
  ModuleView,
  MqttLogin,
  QueueStatus,
  Replayed,
  TapPageView,
  TwinView,
} from "./api.ts";
import {
  anyObject,
  base64,
  count,
  flag,
  json,
  list,
  map,
  maybe,
  nullable,
  number,
  object,
  string,
  time,
  words,
  type Schema,
} from "../http/schema.ts";

const ERROR_RECORD = object<ErrorRecord>("ErrorRecord", {
  code: string,
  message: string,
  hint: maybe(string),
  details: map(json),
});

/** Of everything that is not a success. */
export const FAILURE = object<{ readonly error: ErrorRecord }>("Failure", { error: ERROR_RECORD });

// ---- The gateway ----

const FLASH_USE = object<FlashUse>("FlashUse", {
  seconds: number,
  bytes: number,
  messages: number,
  bytesPerSecond: number,
  bytesPerMessage: nullable(number),
  bytesPerDay: number,
});

const TROUBLE = object<ClientTrouble>("ClientTrouble", {
  client: string,
  what: string,
  at: time,
  times: count,
});

const HUB_STATUS = object<HubStatus>("HubStatus", {
  state: words("ok", "full", "failed"),
  connections: count,
  counters: map(number),
  flash: object<FlashBudget>("FlashBudget", { lastMinute: FLASH_USE, sinceStart: FLASH_USE }),
  troubles: list(TROUBLE),
});

export const DEPLOYMENT_STATUS = object<DeploymentStatus>("DeploymentStatus", {
  version: number,
  code: number,
  description: string,
  warnings: list(string),
  error: maybe(ERROR_RECORD),
  rolledBackTo: nullable(number),
});

export const GATEWAY_STATUS = object<GatewayStatus>("GatewayStatus", {
  gatewayId: string,
  hostname: string,
  version: string,
  pid: count,
  state: words("starting", "running", "degraded", "failed", "stopping"),
  startedAt: time,
  listeners: list(object<ListenerStatus>("Listener", { protocol: string, host: string, port: count })),
  managementUrl: nullable(string),
  hub: nullable(HUB_STATUS),
  hubRestarts: count,
  hubFailure: nullable(string),
  storesSetAside: list(
    object<GatewayStatus["storesSetAside"][number]>("StoreSetAside", {
      path: string,
      at: string,
      reason: string,
      bytes: count,
    }),
  ),
  storeRestored: nullable(
    object<NonNullable<GatewayStatus["storeRestored"]>>("StoreRestored", { identities: count, routes: flag }),
  ),
  deployment: nullable(DEPLOYMENT_STATUS),
  certificate: nullable(
    object<NonNullable<GatewayStatus["certificate"]>>("Certificate", { notAfter: string, daysLeft: number }),
  ),
});

export const ACTIVITY_PAGE = object<ActivityPage>("ActivityPage", {
  records: list(
    object<ActivityRecord>("ActivityRecord", {
      number: count,
      at: time,
      kind: words(...ACTIVITY_KINDS),
      subject: string,
      text: string,
    }),
  ),
  next: count,
  oldest: count,
});

export const COMPACTION = object<Compaction>("Compaction", {
  beforeBytes: number,
  afterBytes: number,
  tookMs: number,
});

export const MODULE_VIEW = object<ModuleView>("Module", {
  name: string,
  status: words("running", "stopped", "failed", "backoff", "unhealthy", "unknown"),
  description: string,
  image: string,
  version: string,
  digest: nullable(string),
  restarts: count,
  lastError: nullable(string),
  startedAt: nullable(time),
  inputs: list(string),
  outputs: list(string),
});

export const MODULE_ENVIRONMENT = object<ModuleEnvironment>("ModuleEnvironment", {
  variables: map(string),
  socketFolder: string,
  socketName: string,
  socketFault: nullable(string),
});

// ---- Devices ----

const IDENTITY = { deviceId: string, moduleId: nullable(string), enabled: flag };

export const DEVICE_VIEW = object<DeviceView>("Device", IDENTITY);

export const DEVICE_CREATED = object<DeviceCreated>("DeviceCreated", {
  ...IDENTITY,
  primaryKey: base64,
  secondaryKey: base64,
  connectionString: string,
});

export const KEY_RENEWED = object<KeyRenewed>("KeyRenewed", {
  ...IDENTITY,
  renewed: words("primary", "secondary"),
  sharedAccessKey: base64,
  connectionString: string,
});

export const DEVICE_REGISTERED = object<DeviceRegistered>("DeviceRegistered", {
  ...IDENTITY,
  connectionString: string,
});

export const DEVICE_DETAIL = object<DeviceDetail>("DeviceDetail", {
  ...IDENTITY,
  authentication: words("sas", "selfSigned", "certificateAuthority"),
  thumbprints: list(string),
  generationId: string,
  parent: nullable(string),
  children: list(string),
  modules: list(string),
});

export const MQTT_LOGIN = object<MqttLogin>("MqttLogin", {
  clientId: string,
  username: string,
  password: string,
  expires: time,
  topic: string,
});

// ---- Twins and methods ----

export const TWIN_VIEW = object<TwinView>("Twin", {
  deviceId: string,
  moduleId: nullable(string),
  etag: string,
  version: count,
  tags: anyObject,
  properties: object<TwinView["properties"]>("TwinProperties", { desired: anyObject, reported: anyObject }),
});

export const METHOD_RESULT = object<MethodResult>("MethodResult", { status: number, payload: json });

// ---- Messages ----

const PROPERTY = object<Property>("Property", {
  id: count,
  name: string,
  type: count,
  value: nullable(string),
});

const EVENT = object<EventView>("Message", {
  offset: count,
  enqueuedTime: time,
  deviceId: string,
  moduleId: nullable(string),
  output: nullable(string),
  uid: string,
  systemProperties: list(PROPERTY),
  properties: list(PROPERTY),
  bodyBase64: base64,
});

export const EVENT_PAGE = object<EventPageView>("MessagePage", {
  events: list(EVENT),
  next: count,
  oldest: count,
});

export const TAP_PAGE = object<TapPageView>("TapPage", { events: list(EVENT), skipped: count });

export const QUEUE = object<QueueStatus>("Queue", {
  endpoint: string,
  kind: words("input", "upstream", "deadLetters", "devicebound", "feedback"),
  priority: count,
  length: count,
  bytes: count,
  bytesMax: count,
  oldestAgeMs: nullable(number),
  inFlight: count,
  inPerSecond: number,
  outPerSecond: number,
  overflow: words("refuse", "drop_oldest", "dead_letter"),
  expired: count,
  dropped: count,
  consumer: nullable(words("module", "mqtt", "amqp", "log")),
});

const FAULT: Schema<Fault> = object<Fault>("Fault", {
  kind: words(
    "unreachable",
    "abort",
    "memory_out_of_bounds",
    "stack_exhausted",
    "memory",
    "arithmetic",
    "trap",
    "exit",
    "result",
    "deadline",
    "init",
    "wasi",
  ),
  message: string,
  stack: maybe(string),
});

export const DEAD_LETTER = object<DeadLetterView>("DeadLetter", {
  offset: count,
  endpoint: string,
  reason: string,
  fault: nullable(FAULT),
  text: nullable(string),
  digest: nullable(string),
  priority: nullable(count),
  attempt: nullable(count),
  diedAt: time,
  message: EVENT,
});

export const DEAD_LETTER_PAGE = object<DeadLetterPageView>("DeadLetterPage", {
  letters: list(DEAD_LETTER),
  next: nullable(object<LetterPlace>("LetterPlace", { endpoint: string, offset: count })),
});

const REFUSALS = [
  "no_route",
  "reported",
  "queue_full",
  "store_full",
  "gone",
] as const satisfies readonly ReplayRefusal[];

export const REPLAYED = object<Replayed>("Replayed", {
  replayed: count,
  refused: count,
  refusals: {
    json: {
      type: "object",
      properties: Object.fromEntries(REFUSALS.map((reason) => [reason, count.json])),
      additionalProperties: false,
    },
  },
});

export const PURGED = object<{ readonly purged: number }>("Purged", { purged: count });

// ---- Messages to devices ----

export const DEVICEBOUND_SENT = object<DeviceboundSent>("DeviceboundSent", {
  messageId: string,
  enqueuedTime: time,
  waiting: count,
});

export const DEVICEBOUND_WAITING = object<DeviceboundWaitingView>("DeviceboundWaiting", {
  messageId: string,
  ack: words(...ACKS),
  deliveryCount: count,
  expiresInMs: number,
  message: EVENT,
});

export const FEEDBACK_PAGE = object<FeedbackPage>("FeedbackPage", {
  records: list(
    object<FeedbackPage["records"][number]>("Feedback", {
      offset: count,
      originalMessageId: string,
      enqueuedTimeUtc: time,
      statusCode: words("Success", "Expired", "DeliveryCountExceeded", "Rejected", "Purged"),
      description: string,
      deviceId: string,
      deviceGenerationId: string,
    }),
  ),
  next: count,
  oldest: count,
});
