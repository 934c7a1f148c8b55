/**
 * The hub's face: asynchronous, and made of structured-cloneable values only, because the hub lives in a
 * thread of its own. Whoever composes a gateway talks to it through this and nothing else.
 */
import type { MessagePort } from "node:worker_threads";
import type { Capability, Fault, Property } from "../abi/index.ts";

export interface HubConfig {
  /** Device id of the gateway itself: its modules are `<gatewayId>/<module>`. */
  readonly gatewayId: string;
  /** Further names by which clients know this gateway: what their tokens may be for. */
  readonly hostNames?: readonly string[];
  /** Folder of the journal; created when absent. */
  readonly storeDir: string;
  readonly listeners: readonly ListenerConfig[];
  readonly store: StoreConfig;
  /** What an empty store is to begin with: it is there before the first device connects. */
  readonly restore?: HubRestore;
}

/** Kept outside the store, for when that is lost. */
export interface HubRestore {
  readonly identities: readonly Identity[];
  readonly routes: RouteTable | null;
}

export interface ListenerConfig {
  readonly protocol: "mqtt" | "mqtts";
  readonly host: string;
  /** 0 = any free port; see `HubStarted.listeners`. */
  readonly port: number;
  /** Step to the next port, at most this many times, when the port is busy. */
  readonly portsToTry?: number;
  /** PEM, for `mqtts`. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface StoreConfig {
  /** `none` keeps nothing: for measuring what durability costs. */
  readonly backend: "lmdb" | "none";
  /** Live bytes in all lanes and logs together; checked at admission (J19). */
  readonly bytesMax: number;
  /** How long a message may wait for company before its group is sealed, ms (J14). */
  readonly lingerMs: number;
  /** How long an entry that a module is working on may be left to the next group, ms (J4b). */
  readonly graceMs: number;
}

export const STORE_DEFAULTS: StoreConfig = {
  backend: "lmdb",
  bytesMax: 1024 * 1024 * 1024,
  lingerMs: 5,
  graceMs: 2,
};

export interface HubStarted {
  readonly listeners: readonly { readonly protocol: string; readonly host: string; readonly port: number }[];
  readonly recoveryMs: number;
  /** Entries that were waiting in lanes when the store was opened. */
  readonly recovered: number;
}

/** One route as the deployment has it (contract §1.4). */
export interface RouteSpec {
  readonly route: string;
  /** 0 (first) to 9; absent = after all of these. */
  readonly priority?: number;
  /** 0 or absent = the table's. */
  readonly timeToLiveSecs?: number;
}

export interface RouteTable {
  readonly routes: Readonly<Record<string, RouteSpec>>;
  /** Negative = never expires. */
  readonly timeToLiveSecs: number;
}

export interface ModuleOpen {
  readonly name: string;
  readonly digest: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly timers: readonly { readonly name: string; readonly periodMs: number }[];
  readonly capabilities: readonly Capability[];
}

export interface ModuleOpened {
  readonly incarnation: number;
  /** Source id of each output. */
  readonly outputSources: readonly number[];
  readonly kv: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
}

/** A device, or a module that connects over the network. Keys are base64, as IoT Hub has them. */
export interface Identity {
  readonly deviceId: string;
  readonly moduleId?: string;
  readonly primaryKey: string;
  readonly secondaryKey: string;
  readonly enabled: boolean;
}

export interface EventRecord {
  readonly offset: number;
  readonly enqueuedTime: string;
  readonly deviceId: string;
  readonly moduleId: string | null;
  readonly output: string | null;
  readonly uid: string;
  readonly systemProperties: readonly Property[];
  readonly properties: readonly Property[];
  readonly body: Uint8Array;
}

export interface EventPage {
  readonly events: readonly EventRecord[];
  /** Where to read on. */
  readonly next: number;
  /** The oldest offset still kept: what lies before was given up to the bounds. */
  readonly oldest: number;
}

export interface QueueStatus {
  /** `module/input`, or `$upstream`. */
  readonly endpoint: string;
  readonly priority: number;
  readonly length: number;
  readonly bytes: number;
  readonly oldestAgeMs: number | null;
  /** Handed to the consumer and not settled. */
  readonly inFlight: number;
  readonly consumer: "module" | "mqtt" | "log" | null;
}

export interface DeadLetter {
  readonly offset: number;
  readonly endpoint: string;
  readonly reason: string;
  readonly fault: Fault | null;
  readonly text: string | null;
  readonly digest: string | null;
  readonly diedAt: string;
  readonly message: EventRecord;
}

/** What a client did wrong, or had done to it: the latest, and how often there was something. */
export interface ClientTrouble {
  /** As it calls itself, connected or not: a stranger's text. */
  readonly client: string;
  readonly what: string;
  readonly at: string;
  readonly times: number;
}

export interface HubStatus {
  readonly state: "ok" | "full" | "failed";
  readonly connections: number;
  readonly counters: Readonly<Record<string, number>>;
  /** Of the last few clients that had any, the latest first. */
  readonly troubles: readonly ClientTrouble[];
}

export interface Hub {
  start(config: HubConfig): Promise<HubStarted>;
  /** Durable when it resolves. @throws SP_ROUTE_SYNTAX, SP_ROUTE_CYCLE; the table in force stays. */
  setRoutes(table: RouteTable): Promise<void>;

  /** Begins a new incarnation. Records flow over `port` (transferred) after `moduleReady`. */
  openModule(spec: ModuleOpen, port: MessagePort): Promise<ModuleOpened>;
  /** The sandbox is up: hand-over may begin. */
  moduleReady(name: string): Promise<void>;
  /**
   * Ends the incarnation. `drain` waits (bounded) for outstanding results first; a `fault` marks what was
   * in flight, so that the record it belongs to is found and dead-lettered (J26). Resolves to whether the
   * fault could be pinned to one record.
   */
  closeModule(
    name: string,
    how: { readonly drain: boolean; readonly fault?: Fault },
  ): Promise<{ readonly pinned: boolean }>;
  /** Forgets a module that left the deployment: its key-value image and timers. */
  forgetModule(name: string): Promise<void>;

  /** @throws SP_IDENTITY_EXISTS */
  addIdentity(identity: Identity): Promise<void>;
  /** Drops its live connection. @throws SP_IDENTITY_UNKNOWN */
  removeIdentity(deviceId: string, moduleId?: string): Promise<void>;
  identities(): Promise<readonly Identity[]>;

  /** The event log of a gateway without parent. Waits up to `waitMs` when there is nothing at `from` yet. */
  readEvents(query: {
    readonly from: number;
    readonly limit: number;
    readonly waitMs: number;
  }): Promise<EventPage>;
  queues(): Promise<readonly QueueStatus[]>;
  deadLetters(query: { readonly endpoint?: string; readonly from: number; readonly limit: number }): Promise<{
    readonly letters: readonly DeadLetter[];
    readonly next: number;
  }>;
  /** A module's key-value image as last committed. */
  keyValues(name: string): Promise<readonly (readonly [key: Uint8Array, value: Uint8Array])[]>;
  status(): Promise<HubStatus>;

  /** Stops listening, lets outstanding results come in, commits what was gathered, closes the store. */
  close(): Promise<void>;
}
