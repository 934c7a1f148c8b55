/** What the workload API needs of a gateway. The gateway gives it; tests have a small one. */
import type { Identity } from "../../hub/index.ts";

export interface WorkloadBackend {
  readonly gatewayId: string;
  /** By which modules and devices reach the gateway. */
  readonly hostname: string;
  /** With the authority and the trust bundle. */
  readonly tlsDir: string;
  /** Keys for what modules have encrypted are derived from it. A secret. */
  readonly vaultKey: Uint8Array;
  /** Wall clock, ms. */
  readonly nowMs: () => number;
  /** Of one of the gateway's own modules, as it is now. @throws SP_HUB_* while there is no hub to ask */
  identity(moduleId: string): Promise<Identity | null>;
  /** The gateway's own, at least: there may be ten thousand devices, which are of no use here. */
  identities(): Promise<readonly Identity[]>;
}
