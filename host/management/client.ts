/**
 * The client of the management API, for the commands. It needs nothing but node:http, so that a command
 * answers at once; it must never import the server or what the server imports.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { fromErrorRecord, SandpiperError, type ErrorRecord } from "../../abi/index.ts";
import { GatewayError } from "../errors.ts";
import {
  letterPlaceText,
  type ActivityPage,
  type Compaction,
  type DeadLetterPageView,
  type DeadLetterView,
  type DeploymentStatus,
  type DeviceboundSent,
  type DeviceboundWaitingView,
  type DeviceCreated,
  type DeviceDetail,
  type DeviceOptions,
  type DeviceRegistered,
  type DeviceView,
  type EventPageView,
  type FeedbackPage,
  type GatewayStatus,
  type KeyRenewed,
  type LetterPlace,
  type MethodRequest,
  type MethodResult,
  type ModuleEnvironment,
  type ModuleView,
  type MqttLogin,
  type NewDeviceboundMessage,
  type QueueStatus,
  type Replayed,
  type TapPageView,
  type TwinChange,
  type TwinView,
} from "./api.ts";
import { byPort, bySocket, type ManagementPort, type WayToGateway } from "./way-to-gateway.ts";

export type { ManagementPort };

export interface DeviceName {
  readonly deviceId?: string;
  readonly moduleId?: string;
}

/** Every call throws SP_GATEWAY_NOT_RUNNING without a gateway, and what the gateway answered otherwise. */
export interface ManagementClient {
  status(): Promise<GatewayStatus>;
  /** What has happened since the gateway started. */
  activity(query: {
    readonly from?: number;
    readonly limit?: number;
    readonly waitMs?: number;
  }): Promise<ActivityPage>;
  modules(): Promise<readonly ModuleView[]>;
  /** Ends by itself unless `follow`; leaving the loop closes the connection. */
  logs(
    module: string,
    options: { readonly lines?: number; readonly follow?: boolean },
  ): AsyncIterableIterator<string>;
  /** `baseDir`: absolute, where relative `file:` images are looked for. */
  apply(deployment: unknown, baseDir: string): Promise<DeploymentStatus>;
  /** What the agent reports: the contract's reported properties of `$edgeAgent`. */
  deployment(): Promise<unknown>;
  restartModule(module: string): Promise<void>;
  /** What a process that is one of the gateway's modules has to be started with. @throws SP_IDENTITY_UNKNOWN */
  environment(module: string): Promise<ModuleEnvironment>;
  devices(): Promise<readonly DeviceView[]>;
  device(deviceId: string): Promise<DeviceDetail>;
  addDevice(name: DeviceName, options?: Pick<DeviceOptions, "parent">): Promise<DeviceCreated>;
  addCertificateDevice(name: DeviceName, options: DeviceOptions): Promise<DeviceRegistered>;
  /** Whoever is disabled is disconnected, and refused until it is enabled. */
  setEnabled(enabled: boolean, deviceId: string, moduleId?: string): Promise<void>;
  /** Whoever has connected by the old key is disconnected. */
  renewKey(which: "primary" | "secondary", name: DeviceName): Promise<KeyRenewed>;
  /** `null`: it is nobody's child from now on. */
  setParent(deviceId: string, parent: string | null): Promise<void>;
  /** What lets an MQTT client connect as this identity for the next `validSecs`. */
  login(name: DeviceName, validSecs: number): Promise<MqttLogin>;
  removeDevice(deviceId: string, moduleId?: string): Promise<void>;
  /** Without a device, the module is one of the gateway's own. */
  twin(name: DeviceName): Promise<TwinView>;
  changeTwin(name: DeviceName, change: TwinChange): Promise<TwinView>;
  invokeMethod(name: DeviceName, request: MethodRequest): Promise<MethodResult>;
  sendDevicebound(deviceId: string, message: NewDeviceboundMessage): Promise<DeviceboundSent>;
  /** What waits for a device. */
  devicebound(deviceId: string): Promise<readonly DeviceboundWaitingView[]>;
  purgeDevicebound(deviceId: string): Promise<{ readonly purged: number }>;
  /** As `events`. */
  feedback(query: {
    readonly from?: number;
    readonly tail?: number;
    readonly limit?: number;
    readonly waitMs?: number;
  }): Promise<FeedbackPage>;
  /** From an offset, or the last `tail`, or the oldest that is kept. */
  events(query: {
    readonly from?: number;
    readonly tail?: number;
    readonly limit?: number;
    readonly waitMs?: number;
  }): Promise<EventPageView>;
  queues(): Promise<readonly QueueStatus[]>;
  deadLetters(query: {
    readonly endpoint?: string | undefined;
    readonly from?: LetterPlace | undefined;
    readonly limit?: number;
  }): Promise<DeadLetterPageView>;
  deadLetter(place: LetterPlace): Promise<DeadLetterView>;
  /** One letter, or without an offset all that are there. */
  replayDeadLetters(endpoint: string, offset?: number): Promise<Replayed>;
  purgeDeadLetters(endpoint: string, offset?: number): Promise<{ readonly purged: number }>;
  /** Goes on until the loop is left, which closes the tap. */
  tap(endpoint: string, perSecond: number): AsyncIterableIterator<TapPageView>;
  compact(): Promise<Compaction>;
}

/**
 * @param at the gateway's folder, or its management port. Nothing is opened before the first call.
 * @throws {GatewayError} SP_GATEWAY_URL
 */
export function createManagementClient(at: string | ManagementPort): ManagementClient {
  const way = typeof at === "string" ? bySocket(at) : byPort(at);
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await send(way, method, path, body);
    const text = await readAll(response).catch((error: unknown) => {
      throw way.explain(error);
    });
    return (text === "" ? undefined : JSON.parse(text)) as T;
  };
  const get = <T>(path: string, query: Query = {}): Promise<T> => call("GET", path + encodeQuery(query));
  /** A module without a device is one of the gateway's own. */
  const identityPath = async (root: string, { deviceId, moduleId }: DeviceName): Promise<string> => {
    const device = deviceId ?? (await get<GatewayStatus>("/status")).gatewayId;
    const module = moduleId === undefined ? "" : `/modules/${encodeURIComponent(moduleId)}`;
    return `${root}/${encodeURIComponent(device)}${module}`;
  };
  const twinPath = (name: DeviceName): Promise<string> => identityPath("/twins", name);
  return {
    status: () => get("/status"),
    activity: (query) => get("/activity", query),
    modules: () => get("/modules"),
    logs: (module, options) =>
      readLines(way, `/modules/${encodeURIComponent(module)}/logs${encodeQuery(options)}`),
    apply: (deployment, baseDir) => call("POST", "/deployment", { deployment, baseDir }),
    deployment: () => get("/deployment"),
    restartModule: (module) => call("POST", `/modules/${encodeURIComponent(module)}/restart`),
    environment: (module) => get(`/modules/${encodeURIComponent(module)}/environment`),
    devices: () => get("/devices"),
    device: (deviceId) => get(devicePath(deviceId)),
    addDevice: (name, options = {}) => call("POST", "/devices", { ...name, ...options }),
    addCertificateDevice: (name, options) => call("POST", "/devices", { ...name, ...options }),
    setEnabled: (enabled, deviceId, moduleId) =>
      call("POST", `${devicePath(deviceId, moduleId)}/${enabled ? "enable" : "disable"}`),
    renewKey: async (renew, name) => call("POST", `${await identityPath("/devices", name)}/keys`, { renew }),
    setParent: (deviceId, parent) => call("POST", `${devicePath(deviceId)}/parent`, { parent }),
    login: (name, validSecs) => call("POST", "/logins", { ...name, validSecs }),
    removeDevice: (deviceId, moduleId) => call("DELETE", devicePath(deviceId, moduleId)),
    twin: async (name) => get(await twinPath(name)),
    changeTwin: async (name, change) => call("POST", await twinPath(name), change),
    invokeMethod: async (name, request) => call("POST", `${await twinPath(name)}/methods`, request),
    sendDevicebound: (deviceId, message) => call("POST", messagesPath(deviceId), message),
    devicebound: (deviceId) => get(messagesPath(deviceId)),
    purgeDevicebound: (deviceId) => call("DELETE", messagesPath(deviceId)),
    feedback: (query) => get("/feedback", query),
    events: (query) => get("/events", query),
    queues: () => get("/queues"),
    deadLetters: ({ from, ...query }) =>
      get("/deadletters", from === undefined ? query : { ...query, from: letterPlaceText(from) }),
    deadLetter: ({ endpoint, offset }) => get(letterPath(endpoint, offset)),
    replayDeadLetters: (endpoint, offset) =>
      call("POST", `/deadletters/${encodeURIComponent(endpoint)}/replay`, { offset }),
    purgeDeadLetters: (endpoint, offset) => call("DELETE", letterPath(endpoint, offset)),
    tap: (endpoint, perSecond) => readPages(way, `/taps${encodeQuery({ endpoint, perSecond })}`),
    compact: () => call("POST", "/compact"),
  };
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

function encodeQuery(query: Query): string {
  const parts = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`);
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

function devicePath(deviceId: string, moduleId?: string): string {
  const module = moduleId === undefined ? "" : `/modules/${encodeURIComponent(moduleId)}`;
  return `/devices/${encodeURIComponent(deviceId)}${module}`;
}

const messagesPath = (deviceId: string): string => `${devicePath(deviceId)}/messages`;

/** One letter, or all of an endpoint. */
const letterPath = (endpoint: string, offset?: number): string =>
  `/deadletters/${encodeURIComponent(endpoint)}${offset === undefined ? "" : `/${offset}`}`;

async function* readPages(way: WayToGateway, path: string): AsyncIterableIterator<TapPageView> {
  for await (const line of readLines(way, path)) yield JSON.parse(line) as TapPageView;
}

async function* readLines(way: WayToGateway, path: string): AsyncIterableIterator<string> {
  const response = await send(way, "GET", path);
  try {
    yield* createInterface({ input: response, crlfDelay: Infinity });
  } catch (error) {
    throw way.explain(error);
  } finally {
    response.destroy();
  }
}

/** Resolves to a response that is a success; its body is the caller's to read or destroy. */
async function send(
  way: WayToGateway,
  method: string,
  path: string,
  body?: unknown,
): Promise<IncomingMessage> {
  let opened: ReturnType<WayToGateway["open"]> | undefined;
  try {
    opened = way.open();
    const response = await exchange(opened, method, path, body);
    if (response.statusCode! < 300) return response;
    throw refusal(await readAll(response), response.statusCode!);
  } catch (error) {
    throw error instanceof SandpiperError ? error : way.explain(error);
  } finally {
    opened?.release();
  }
}

function exchange(
  { options, headers: own }: Pick<ReturnType<WayToGateway["open"]>, "options" | "headers">,
  method: string,
  path: string,
  body: unknown,
): Promise<IncomingMessage> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const content = payload === undefined ? {} : { "content-type": "application/json" };
  const headers = { ...own, ...content };
  return new Promise((resolve, reject) => {
    httpRequest({ ...options, method, path, headers, agent: false })
      .once("response", resolve)
      .once("error", reject)
      .end(payload);
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let text = "";
  for await (const chunk of response) text += chunk as string;
  return text;
}

function refusal(text: string, status: number): SandpiperError {
  try {
    const { error } = JSON.parse(text) as { error: ErrorRecord };
    return fromErrorRecord(error);
  } catch {
    return new GatewayError("SP_GATEWAY_ANSWER", `gateway: answered ${status} without saying why`);
  }
}
