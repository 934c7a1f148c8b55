/**
 * The hub's face: asynchronous, and made of structured-cloneable values only, because the hub lives in a
 * thread of its own. Whoever composes a gateway talks to it through this and nothing else.
 */
import type { MessagePort } from "node:worker_threads";
import type { Capability, Fault, Property } from "../abi/index.ts";
import type { ConnectedClient, MethodRequest, MethodResult, TwinChange, TwinView } from "./face/clients.ts";
import type { DeviceboundFace } from "./face/devicebound.ts";
import type { Identity, IdentityChange, NewIdentity } from "./face/identity.ts";
import type { ListenerCertificate, ListenerConfig } from "./face/listener.ts";

export type * from "./face/clients.ts";
export * from "./face/devicebound.ts";
import type { Compaction } from "./journal/store.ts";

export type { Compaction };
export type * from "./face/identity.ts";
export type * from "./face/listener.ts";

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
  /** Key of `VAULT_KEY_BYTES`, under which identities lie in the store. Absent = in the clear. */
  readonly vaultKey?: Uint8Array;
}

/** Kept outside the store, for when that is lost. */
export interface HubRestore {
  readonly identities: readonly NewIdentity[];
  readonly routes: RouteTable | null;
}

export interface StoreConfig {
  /** `redo` is LMDB behind a log. `none` keeps nothing: for measuring what durability costs. */
  readonly backend: "redo" | "lmdb" | "none";
  /** Live bytes in all lanes and logs together; checked at admission (J19). */
  readonly bytesMax: number;
  /** How long a message may wait for company before its group is sealed, ms (J14). */
  readonly lingerMs: number;
  /** How long an entry that a module is working on may be left to the next group, ms (J4b). */
  readonly graceMs: number;
  /** Size of the redo log, bytes. A small disk gets a smaller one. */
  readonly logBytes: number;
  /** The log is brought into the database when it has gathered this much, bytes. */
  readonly checkpointBytes: number;
  /** And at the latest this long after something was written to it, ms. */
  readonly checkpointMs: number;
  /** Whether time that the box was off counts for time to live (J31). */
  readonly timeToLiveClock: "powered" | "wall";
  /** What a queue may hold, by its kind; a deployment may say otherwise of each. */
  readonly queues: QueueDefaults;
}

/**
 * What becomes of messages for a full queue (J21): producers wait, or its oldest are dropped, or its oldest
 * move to its dead letters.
 */
export const OVERFLOWS = ["refuse", "drop_oldest", "dead_letter"] as const;
export type Overflow = (typeof OVERFLOWS)[number];
/** Those of a log: nobody could ever make room in it, so producers would wait for ever. */
export const LOG_OVERFLOWS = ["drop_oldest", "dead_letter"] as const;

export interface QueueBound {
  /** Bytes in all lanes of the queue together. */
  readonly bytesMax: number;
  readonly overflow: Overflow;
}

/** Dead letters always drop their oldest, and the event log never refuses. */
export interface QueueDefaults {
  readonly input: QueueBound;
  readonly upstream: { readonly bytesMax: number; readonly overflow: (typeof LOG_OVERFLOWS)[number] };
  readonly deadLetters: { readonly bytesMax: number };
  /** What waits for a device is bounded by number: see `DEVICEBOUND_LIMITS`. */
  readonly devicebound: { readonly deliveriesMax: number };
}

/** What a deployment says of one queue; what it leaves out is the gateway's default. */
export interface QueuePolicy {
  readonly bytesMax?: number;
  readonly overflow?: Overflow;
  /** Deliveries of one message to a consumer on the network, before it is given up. */
  readonly deliveriesMax?: number;
}

const MIB = 1024 * 1024;
/** A queue has room for a message of the largest size, at least. */
export const QUEUE_BYTES_MIN = MIB;

export const QUEUE_DEFAULTS: QueueDefaults = {
  input: { bytesMax: 256 * MIB, overflow: "refuse" },
  upstream: { bytesMax: 256 * MIB, overflow: "drop_oldest" },
  deadLetters: { bytesMax: 16 * MIB },
  devicebound: { deliveriesMax: 10 },
};

export const STORE_DEFAULTS: StoreConfig = {
  backend: "redo",
  bytesMax: 1024 * MIB,
  lingerMs: 5,
  graceMs: 2,
  logBytes: 64 * MIB,
  checkpointBytes: 16 * MIB,
  checkpointMs: 30_000,
  timeToLiveClock: "powered",
  queues: QUEUE_DEFAULTS,
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
  /** By endpoint: `module/input`, or `$upstream`. */
  readonly queues?: Readonly<Record<string, QueuePolicy>>;
  /** Bound of the whole store, where it is smaller than the gateway's own. */
  readonly storeBytesMax?: number;
}

/** A queue that was deleted because no route leads to it any more, with what it held. */
export interface DroppedQueue {
  readonly endpoint: string;
  readonly messages: number;
  readonly bytes: number;
}

export interface ModuleOpen {
  readonly name: string;
  readonly digest: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly timers: readonly { readonly name: string; readonly periodMs: number }[];
  readonly capabilities: readonly Capability[];
  /** Methods that it can be called by; absent = none. */
  readonly methods?: readonly string[];
  /** What its desired properties are if its twin was never written: a store may have been lost. */
  readonly desired?: object;
}

export interface ModuleOpened {
  readonly incarnation: number;
  /** Source id of each output. */
  readonly outputSources: readonly number[];
  readonly kv: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
  /** Its desired properties, of a module with the capability `twin`: what it begins with. */
  readonly desired?: { readonly version: number; readonly values: object };
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

/** What to read of a log. Whoever finds nothing waits up to `waitMs` for something. */
export interface LogQuery {
  /** An offset, or the last `tail` entries; absent = the oldest that is kept. */
  readonly from?: number | undefined;
  readonly tail?: number | undefined;
  readonly limit: number;
  readonly waitMs: number;
}

export interface EventPage {
  readonly events: readonly EventRecord[];
  /** Where to read on. */
  readonly next: number;
  /** The oldest offset still kept: what lies before was given up to the bounds. */
  readonly oldest: number;
}

/** One lane of an endpoint. */
export interface QueueStatus {
  /** `module/input`, `$upstream`, `$c2d/device`, `$feedback`; with `$dlq/` before it, its dead letters. */
  readonly endpoint: string;
  readonly kind: "input" | "upstream" | "deadLetters" | "devicebound" | "feedback";
  readonly priority: number;
  readonly length: number;
  readonly bytes: number;
  /** Bytes that all lanes of the endpoint may hold together. */
  readonly bytesMax: number;
  readonly oldestAgeMs: number | null;
  /** Handed to the consumer and not settled. */
  readonly inFlight: number;
  /** Messages appended, and messages that left for whatever reason, over the last minute. */
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  /** What happens to a message when the endpoint is full (J21). */
  readonly overflow: "refuse" | "drop_oldest" | "dead_letter";
  /** Since the hub started: those whose time to live ended, and those given up to make room. */
  readonly expired: number;
  readonly dropped: number;
  readonly consumer: "module" | "mqtt" | "amqp" | "log" | null;
}

export interface DeadLetter {
  readonly offset: number;
  readonly endpoint: string;
  readonly reason: string;
  readonly fault: Fault | null;
  readonly text: string | null;
  readonly digest: string | null;
  /** Of the lane that it waited in, and how often it had been handed over before, when they are known. */
  readonly priority: number | null;
  readonly attempt: number | null;
  readonly diedAt: string;
  readonly message: EventRecord;
}

/** A dead letter, or where to read on among those of all endpoints. */
export interface LetterPlace {
  readonly endpoint: string;
  readonly offset: number;
}

/** Why a letter stays where it is. `gone`: somebody else took it meanwhile; `reported`: its sender knows that it is over. */
export type ReplayRefusal = "no_route" | "reported" | "queue_full" | "store_full" | "gone";

export interface Replayed {
  readonly replayed: number;
  readonly refused: number;
  /** How many, by reason. */
  readonly refusals: Readonly<Partial<Record<ReplayRefusal, number>>>;
}

export interface TapPage {
  readonly events: readonly EventRecord[];
  /** Messages since the last page that the rate or the bounds left out. */
  readonly skipped: number;
}

/** What a client did wrong, or had done to it: the latest, and how often there was something. */
export interface ClientTrouble {
  /** As it calls itself, connected or not: a stranger's text. */
  readonly client: string;
  readonly what: string;
  readonly at: string;
  readonly times: number;
}

/** What was written to the store's disk over some time, and what that comes to. */
export interface FlashUse {
  readonly seconds: number;
  readonly bytes: number;
  /** Received meanwhile. */
  readonly messages: number;
  readonly bytesPerSecond: number;
  /** `null` without a message. */
  readonly bytesPerMessage: number | null;
  readonly bytesPerDay: number;
}

export interface FlashBudget {
  readonly lastMinute: FlashUse;
  readonly sinceStart: FlashUse;
}

export interface HubStatus {
  readonly state: "ok" | "full" | "failed";
  readonly connections: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly flash: FlashBudget;
  /** Of the last few clients that had any, the latest first. */
  readonly troubles: readonly ClientTrouble[];
}

export interface Hub extends DeviceboundFace {
  start(config: HubConfig): Promise<HubStarted>;
  /**
   * Durable when it resolves. Queues that it does not reach stay, so that there is a way back.
   * @throws SP_ROUTE_SYNTAX, SP_ROUTE_CYCLE; the table in force stays.
   */
  setRoutes(table: RouteTable): Promise<void>;
  /** The table in force is there to stay: deletes the queues that it does not reach, and says what they held (J28). */
  settleRoutes(): Promise<readonly DroppedQueue[]>;

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

  /** @throws SP_IDENTITY_EXISTS, SP_IDENTITY_NAME, SP_IDENTITY_CERTIFICATE, SP_IDENTITY_PARENT */
  addIdentity(identity: NewIdentity): Promise<void>;
  /**
   * Durable when it resolves. Drops live connections at once when it is disabled (of a device those of its modules as
   * well), and those that were opened with a key or certificate that it has no more.
   * @throws SP_IDENTITY_UNKNOWN, SP_IDENTITY_CERTIFICATE, SP_IDENTITY_PARENT
   */
  changeIdentity(change: IdentityChange): Promise<Identity>;
  /** With the modules of a device, and their twins; live connections are closed. @throws SP_IDENTITY_UNKNOWN */
  removeIdentity(deviceId: string, moduleId?: string): Promise<void>;
  /** All of them, or a device with its modules. */
  identities(deviceId?: string): Promise<readonly Identity[]>;
  /** As it is now; a module of a device that is disabled is so, too. `null`: there is none. */
  identity(deviceId: string, moduleId: string | null): Promise<Identity | null>;
  clients(): Promise<readonly ConnectedClient[]>;

  /** @throws SP_TWIN_UNKNOWN */
  twin(deviceId: string, moduleId: string | null): Promise<TwinView>;
  /** Durable when it resolves. @throws SP_TWIN_UNKNOWN, SP_TWIN_INVALID, SP_TWIN_ETAG, SP_TWIN_BUSY */
  changeTwin(deviceId: string, moduleId: string | null, change: TwinChange): Promise<TwinView>;
  /**
   * Desired properties of the gateway's modules, as a deployment has them: each replaces what its module had.
   * Modules that are not named keep theirs. Durable when it resolves. @throws SP_TWIN_INVALID
   */
  setModuleTwins(desired: Readonly<Record<string, unknown>>): Promise<void>;
  /** @throws SP_METHOD_REQUEST, SP_METHOD_OFFLINE, SP_METHOD_TIMEOUT, SP_METHOD_RESULT, SP_METHOD_BUSY */
  invokeMethod(deviceId: string, moduleId: string | null, request: MethodRequest): Promise<MethodResult>;

  /** The event log of a gateway without parent. */
  readEvents(query: LogQuery): Promise<EventPage>;
  /** All of them, dead letters included. */
  queues(): Promise<readonly QueueStatus[]>;
  /** Of one endpoint or of all, by name and offset. `next` is `null` at the end. @throws SP_ENDPOINT_UNKNOWN */
  deadLetters(query: {
    readonly endpoint?: string | undefined;
    readonly from?: LetterPlace | undefined;
    readonly limit: number;
  }): Promise<{ readonly letters: readonly DeadLetter[]; readonly next: LetterPlace | null }>;
  /** @throws SP_ENDPOINT_UNKNOWN, SP_DEAD_LETTER_UNKNOWN */
  deadLetter(place: LetterPlace): Promise<DeadLetter>;
  /**
   * Puts one letter, or all that are there now, back into their queue; each is one step. Durable when it resolves.
   * @throws SP_ENDPOINT_UNKNOWN, SP_DEAD_LETTER_UNKNOWN
   */
  replayDeadLetters(which: {
    readonly endpoint: string;
    readonly offset?: number | undefined;
  }): Promise<Replayed>;
  /** Durable when it resolves. @throws SP_ENDPOINT_UNKNOWN, SP_DEAD_LETTER_UNKNOWN */
  purgeDeadLetters(which: {
    readonly endpoint: string;
    readonly offset?: number | undefined;
  }): Promise<{ readonly purged: number }>;
  /** A live copy of what is appended to an endpoint from now on. @throws SP_ENDPOINT_UNKNOWN, SP_TAPS_MAX */
  openTap(query: {
    readonly endpoint: string;
    readonly perSecond: number;
  }): Promise<{ readonly tap: number }>;
  /** Waits up to `waitMs` when there is nothing. A tap that is not read is closed. @throws SP_TAP_UNKNOWN */
  readTap(query: { readonly tap: number; readonly waitMs: number }): Promise<TapPage>;
  closeTap(tap: number): Promise<void>;
  /** Gives the room of what was consumed back to the disk. @throws SP_COMPACT_NO_ROOM, SP_COMPACT_FAILED */
  compact(): Promise<Compaction>;
  /** A module's key-value image as last committed. */
  keyValues(name: string): Promise<readonly (readonly [key: Uint8Array, value: Uint8Array])[]>;
  status(): Promise<HubStatus>;
  /**
   * New connections are shown these from now on; those that are there stay. @throws SP_LISTEN_TLS; the
   * listeners before the offending one have theirs
   */
  setCertificates(certificates: readonly ListenerCertificate[]): Promise<void>;

  /** Stops listening, lets outstanding results come in, commits what was gathered, closes the store. */
  close(): Promise<void>;
}
