/**
 * What listeners report of peers that nobody knows yet: counted, and the latest of each listener among the troubles of
 * clients. One place per protocol, so that strangers who knock all day push no client out of that list.
 */
import type { ListenerConfig } from "../face.ts";
import type { Metrics } from "../metrics.ts";
import type { ClientTroubles } from "./client-troubles.ts";

type Counter = "handshakes_failed" | "upgrades_refused" | "connections_over_limit" | "listener_errors";

const COUNTERS: Readonly<Record<string, Counter>> = {
  SP_LISTEN_HANDSHAKE: "handshakes_failed",
  SP_LISTEN_UPGRADE: "upgrades_refused",
  SP_LISTEN_CONNECTIONS: "connections_over_limit",
  SP_LISTEN_HANDSHAKES: "connections_over_limit",
};

export function noteListenerTrouble(
  protocol: ListenerConfig["protocol"],
  error: Error,
  to: { readonly metrics: Metrics; readonly troubles: ClientTroubles; readonly nowMs: number },
): void {
  const { code = "" } = error as { readonly code?: string };
  to.metrics[COUNTERS[code] ?? "listener_errors"]++;
  to.troubles.note(`(${protocol})`, error.message, to.nowMs);
}
