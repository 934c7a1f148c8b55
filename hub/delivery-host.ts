/** What the engine is to a consumer on the network: its clock, its rows, and the steps that settling takes. */
import { ENTRY, entryPriority } from "../abi/index.ts";
import type { DeliveryHost } from "./endpoints/delivery-window.ts";
import type { Engine } from "./engine.ts";

export function deliveryHostOf(engine: Engine): DeliveryHost {
  const { journal, metrics } = engine;
  return {
    tables: journal.tables,
    nowPowered: () => engine.poweredNow,
    delivered(attempt) {
      metrics.delivered++;
      if (attempt > 0) metrics.redelivered++;
    },
    expired: (lane) => engine.expired(lane, 1),
    bury(endpoint, block, frame, reason) {
      const priority = entryPriority(block, frame - ENTRY.SIZE);
      engine.bury(endpoint.name, null, block, frame, { ...reason, priority });
      journal.step();
    },
    settled(lane) {
      journal.touch(lane);
      engine.stepped();
      engine.roomChanged();
    },
  };
}
