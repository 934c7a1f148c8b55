/** What `sandpiper status` says of the hub: state, counters of every part, flash budget, clients refused. */
import type { HubStatus } from "../face.ts";
import type { Running } from "../running.ts";

type Told = Pick<Running, "engine" | "clients" | "sessions" | "gauges" | "compactor">;

export function statusOf({ engine, clients, sessions, gauges, compactor }: Told): HubStatus {
  const { groups, entriesWritten, bytesWritten, entriesElided } = engine.journal.counters;
  const { logBytes, checkpointBytes, flushes, checkpoints } = engine.journal.written;
  return {
    state: engine.journal.state,
    connections: clients.count,
    counters: {
      ...engine.metrics.snapshot(),
      groups,
      entries_written: entriesWritten,
      bytes_written: bytesWritten,
      entries_elided: entriesElided,
      compactions: compactor.done,
      log_bytes: logBytes,
      checkpoint_bytes: checkpointBytes,
      flushes,
      checkpoints,
    },
    flash: gauges.flash(),
    troubles: sessions.troubles.list(),
  };
}
