/**
 * The gateway: authenticated devices, a WebAssembly module in its sandbox that writes to its key-value space for every
 * message, and a sink that connects over the network. Everything acknowledged is on disk, unless its store is `none`.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { StoreConfig } from "../../../hub/face.ts";
import { writeClients } from "../credentials.ts";
import { gatewayScript, startGateway } from "../gateway.ts";
import { DEVICES } from "../loads.ts";
import type { Peer } from "../peer.ts";

export const sandpiper = (name: string, store: Partial<StoreConfig> = {}): Peer => ({
  name,
  unavailable: existsSync(gatewayScript) ? null : `${gatewayScript} is not built`,

  async start(folder, env = {}) {
    const gateway = await startGateway(folder, { devices: DEVICES, store, env });
    const target = {
      port: gateway.port,
      pid: gateway.pid,
      publisherIdentities: writeClients(join(folder, "publishers"), gateway.devices),
      subscriberIdentities: writeClients(join(folder, "subscribers"), [gateway.sink]),
    };
    return { target, stop: () => gateway.stop() };
  },
});
