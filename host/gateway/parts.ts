/** What a gateway is made of, unless a test says otherwise. */
import { createHubThread } from "../../hub/index.ts";
import type { GatewayParts } from "./gateway.ts";

/** `version`: of the program, as the agent reports it. */
export const gatewayParts = (version: string): GatewayParts => ({
  createHub: () => createHubThread(),
  async createAgent({ paths, config, hub, log }) {
    const [{ createAgent }, { admitModule, startSandbox }] = await Promise.all([
      import("../agent/index.ts"),
      import("../sandbox/index.ts"),
    ]);
    return createAgent({
      dir: paths.dir,
      hub,
      startSandbox,
      admit: admitModule,
      log,
      settings: {
        restart: config.modules.restart,
        health: config.modules.health,
        moduleLog: config.modules.log,
      },
      version: { version, build: "", commit: "" },
    });
  },
});
