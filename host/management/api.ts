/**
 * The management API's answers, as plain JSON. Server and client share these types and nothing else: the
 * client is loaded by every command, the server by `run` alone.
 *
 * Bodies are base64 on the wire, because a message need not be text. Keys of identities are given out once,
 * by the request that made them.
 */
import type { Fault } from "../../abi/index.ts";
import type {
  Compaction,
  DeviceboundMessage,
  DeviceboundSent,
  DeviceboundWaiting,
  EventPage,
  EventRecord,
  FeedbackPage,
  FlashUse,
  HubStatus,
  LetterPlace,
  MethodRequest,
  MethodResult,
  QueueStatus,
  Replayed,
  TwinChange,
  TwinView,
} from "../../hub/index.ts";
import type { DeploymentStatus } from "../agent/index.ts";
import type { SetAside } from "../store/set-aside.ts";

export type { DeploymentStatus, ModuleView } from "../agent/index.ts";
export type { ModuleEnvironment } from "../workload/index.ts";

export interface ListenerStatus {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
}

/** `starting`: recovering or booting; `degraded`: the hub is being re-made; `failed`: it was given up. */
export type GatewayState = "starting" | "running" | "degraded" | "failed" | "stopping";

export interface GatewayStatus {
  readonly gatewayId: string;
  readonly hostname: string;
  readonly version: string;
  readonly pid: number;
  readonly state: GatewayState;
  readonly startedAt: string;
  readonly listeners: readonly ListenerStatus[];
  /** Of the management port; `null` when there is the socket alone. */
  readonly managementUrl: string | null;
  /** `null` while there is no hub to ask. */
  readonly hub: HubStatus | null;
  /** How often the hub had to be re-made since the gateway started, and why the last time. */
  readonly hubRestarts: number;
  readonly hubFailure: string | null;
  /** Stores that were damaged and lie beside the one in use; the latest first. */
  readonly storesSetAside: readonly SetAside[];
  /** What the store in use began with, when it was begun in place of another. */
  readonly storeRestored: { readonly identities: number; readonly routes: boolean } | null;
  /** What came of the deployment that was asked for last; `null` while the gateway starts. */
  readonly deployment: DeploymentStatus | null;
  /** Certificate of the TLS listeners; `null` without any. */
  readonly certificate: { readonly notAfter: string; readonly daysLeft: number } | null;
}

export const ACTIVITY_KINDS = ["module", "deployment", "identity", "hub"] as const;
export type ActivityKind = (typeof ACTIVITY_KINDS)[number];

/** Something that happened on the gateway. No message: those are in the event log. */
export interface ActivityRecord {
  /** From 0, for each start of the gateway. */
  readonly number: number;
  readonly at: string;
  readonly kind: ActivityKind;
  /** Name of a module or identity, version of a deployment. */
  readonly subject: string;
  readonly text: string;
}

export interface ActivityPage {
  readonly records: readonly ActivityRecord[];
  /** Where to read on. */
  readonly next: number;
  /** The first that is still kept. */
  readonly oldest: number;
}

export interface DeviceView {
  readonly deviceId: string;
  readonly moduleId: string | null;
  readonly enabled: boolean;
}

export interface DeviceCreated extends DeviceView {
  /** base64. Secrets: this is the one answer that has them. */
  readonly primaryKey: string;
  readonly secondaryKey: string;
  /** As the device SDKs take it. */
  readonly connectionString: string;
}

/** One that shows a certificate, so that there is no key to give out. */
export interface DeviceRegistered extends DeviceView {
  /** As the device SDKs take it; the certificate is set beside it. */
  readonly connectionString: string;
}

export interface KeyRenewed extends DeviceView {
  readonly renewed: "primary" | "secondary";
  /** base64. A secret, shown this once. */
  readonly sharedAccessKey: string;
  /** With that key. */
  readonly connectionString: string;
}

/** How a new identity proves itself, and where it belongs. Without a certificate it gets keys. */
export interface DeviceOptions {
  readonly parent?: string | undefined;
  readonly certificate?: "selfSigned" | "certificateAuthority" | undefined;
  /** SHA-1 or SHA-256, hex; with `selfSigned`. */
  readonly primaryThumbprint?: string | undefined;
  readonly secondaryThumbprint?: string | undefined;
}

export interface DeviceDetail extends DeviceView {
  readonly authentication: "sas" | "selfSigned" | "certificateAuthority";
  readonly thumbprints: readonly string[];
  readonly generationId: string;
  readonly parent: string | null;
  readonly children: readonly string[];
  readonly modules: readonly string[];
}

/** What a plain MQTT client has to say to connect. */
export interface MqttLogin {
  readonly clientId: string;
  readonly username: string;
  /** A shared access signature: good until `expires`, whoever has it. No key can be had from it. */
  readonly password: string;
  readonly expires: string;
  /** Where this identity publishes. */
  readonly topic: string;
}

export interface EventView extends Omit<EventRecord, "body"> {
  readonly bodyBase64: string;
}

export interface EventPageView extends Omit<EventPage, "events"> {
  readonly events: readonly EventView[];
}

export interface NewDeviceboundMessage extends Omit<DeviceboundMessage, "body"> {
  readonly bodyBase64: string;
}

export interface DeviceboundWaitingView extends Omit<DeviceboundWaiting, "message"> {
  readonly message: EventView;
}

export interface DeadLetterView {
  readonly offset: number;
  readonly endpoint: string;
  readonly reason: string;
  readonly fault: Fault | null;
  readonly text: string | null;
  readonly digest: string | null;
  readonly priority: number | null;
  readonly attempt: number | null;
  readonly diedAt: string;
  readonly message: EventView;
}

export interface DeadLetterPageView {
  readonly letters: readonly DeadLetterView[];
  /** Where to read on; `null` at the end. */
  readonly next: LetterPlace | null;
}

export interface TapPageView {
  readonly events: readonly EventView[];
  readonly skipped: number;
}

export type {
  Compaction,
  DeviceboundSent,
  FeedbackPage,
  FlashUse,
  HubStatus,
  LetterPlace,
  MethodRequest,
  MethodResult,
  QueueStatus,
  Replayed,
  TwinChange,
  TwinView,
};

/** Bounds of what one request may ask for. */
export const EVENTS_LIMIT_MAX = 1000;
export const EVENTS_WAIT_MS_MAX = 30_000;
export const DEAD_LETTERS_LIMIT_MAX = 1000;
export const TAP_PER_SECOND_MAX = 1000;
export const TAP_PER_SECOND_DEFAULT = 10;
export const LOG_LINES_MAX = 10_000;
export const LOGIN_SECS_MAX = 365 * 24 * 60 * 60;

/** A place among letters as one text: `filter/input#3`. Names of endpoints may hold a `#`, offsets do not. */
export const letterPlaceText = ({ endpoint, offset }: LetterPlace): string => `${endpoint}#${offset}`;

/** The place that a text names, or `null`. */
export function parseLetterPlace(text: string): LetterPlace | null {
  const at = text.lastIndexOf("#");
  const digits = text.slice(at + 1);
  if (at < 1 || !/^\d{1,15}$/.test(digits)) return null;
  return { endpoint: text.slice(0, at), offset: Number(digits) };
}
