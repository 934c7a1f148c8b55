/**
 * A hub that tests may kill: a process of its own, with the hub in a thread as in a gateway. Started by
 * `hub-child.ts` from the build; serves the hub's face over the channel to its parent.
 */
import { createHubThread, type HubThread } from "../../../hub/client.ts";
import type { HubConfig, HubStarted } from "../../../hub/face.ts";
import { serve } from "../../../hub/rpc.ts";

const send = (message: unknown): void => void process.send!(message);

function createHub(): HubThread {
  const hub = createHubThread();
  hub.onFailure((error) => send({ failure: error.message }));
  return hub;
}

let hub = createHub();

/** The hub's face, and what only a test asks for. */
const face = new Proxy(
  {
    /** After a failure: a new thread, as the agent makes one, in the same process. */
    async startAgain(config: HubConfig): Promise<HubStarted> {
      hub = createHub();
      return hub.start(config);
    },
  },
  { get: (own, name) => Reflect.get(own, name) ?? Reflect.get(hub, name) },
);

serve({ postMessage: send, on: (event, listener) => process.on(event, listener) }, face);
process.on("disconnect", () => process.exit());
