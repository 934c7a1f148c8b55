/** What the management server needs of a gateway. The gateway implements it; tests have a small one. */
import type { Hub } from "../../hub/index.ts";
import type { ActivityPage, DeploymentStatus, GatewayStatus, ModuleEnvironment, ModuleView } from "./api.ts";

export interface ManagementBackend {
  readonly gatewayId: string;
  /** Of the program. */
  readonly version: string;
  readonly hostname: string;
  /** Calls reject with SP_HUB_DOWN while the hub is being made. */
  readonly hub: Pick<
    Hub,
    | "identities"
    | "identity"
    | "addIdentity"
    | "changeIdentity"
    | "removeIdentity"
    | "twin"
    | "changeTwin"
    | "invokeMethod"
    | "sendDevicebound"
    | "devicebound"
    | "purgeDevicebound"
    | "readFeedback"
    | "readEvents"
    | "queues"
    | "deadLetters"
    | "deadLetter"
    | "replayDeadLetters"
    | "purgeDeadLetters"
    | "openTap"
    | "readTap"
    | "closeTap"
    | "compact"
  >;
  status(): Promise<GatewayStatus>;
  /** What has happened since the gateway started. */
  activity(query: {
    readonly from: number;
    readonly limit: number;
    readonly waitMs: number;
    readonly signal: AbortSignal;
  }): Promise<ActivityPage>;
  modules(): Promise<readonly ModuleView[]>;
  /** Of a process that is one of the gateway's modules. @throws SP_IDENTITY_UNKNOWN */
  environment(module: string): Promise<ModuleEnvironment>;
  /** The reported properties of `$edgeAgent` (contract §2.1). */
  reported(): Promise<object>;
  /**
   * Brings a deployment about, all or nothing. `baseDir` is where relative `file:` images are looked for.
   * A deployment that was refused or rolled back is a result, not an error.
   */
  apply(deployment: unknown, baseDir: string): Promise<DeploymentStatus>;
  /** @throws SP_MODULE_UNKNOWN */
  restart(module: string): Promise<void>;
  /**
   * The last `lines` of a module's log, then, with `follow`, what comes until `signal` aborts.
   * @throws SP_MODULE_UNKNOWN before the first line
   */
  readLog(
    module: string,
    options: { readonly lines: number; readonly follow: boolean; readonly signal: AbortSignal },
  ): Promise<AsyncIterable<string>>;
}
