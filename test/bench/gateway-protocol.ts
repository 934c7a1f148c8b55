/**
 * What the bench and the gateway under measurement say to each other: JSON lines over stdin and stdout. The
 * first line in is the configuration, which holds keys and so has no place on a command line; the first line out says
 * that it is ready. After that, one answer per request, in order. The process ends with its stdin or at SIGTERM.
 */
import type { ErrorRecord } from "../../abi/index.ts";
import type { KeyedIdentity, RouteTable, StoreConfig } from "../../hub/face.ts";

export interface GatewayConfig {
  readonly gatewayId: string;
  readonly storeDir: string;
  /** The artifact of the counter module. */
  readonly wasmFile: string;
  readonly store: StoreConfig;
  readonly identities: readonly KeyedIdentity[];
  readonly routes: RouteTable;
  /** An AMQP listener beside the one for MQTT. */
  readonly isAmqp: boolean;
  /** Instances of the counter module; routes name them. */
  readonly modules: readonly string[];
}

export interface GatewayReady {
  readonly port: number;
  /** 0 = there is none. */
  readonly amqpPort: number;
  readonly pid: number;
  /** What the hub says of opening its store, see `HubStarted`. */
  readonly recoveryMs: number;
  readonly recovered: number;
  /** Names of threads by their ids: main, the hub, each module that runs. */
  readonly threads: readonly (readonly [id: number, name: string])[];
}

export type GatewayRequest =
  | { readonly request: "start module"; readonly name: string }
  /** Ends the module's worker and starts another; answers when records flow again. */
  | { readonly request: "restart module"; readonly name: string }
  /** Answers with the hub's status. */
  | { readonly request: "status" }
  /** Gives the room of what was consumed back to the disk. */
  | { readonly request: "compact" };

export interface ModuleStarted {
  /** Linear memory plus key-value image: what the module asked for, beside what running it costs. */
  readonly ownBytes: number;
  /** From asking for it until records may flow. */
  readonly startMs: number;
}

export type GatewayAnswer<T> = { readonly ok: T } | { readonly error: ErrorRecord };
