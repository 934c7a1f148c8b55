/** Every counter of the hub, named once. Units are in the names; a bare name counts messages. */
export class Metrics {
  received = 0;
  received_bytes = 0;
  acknowledged = 0;
  delivered = 0;
  /** Of those delivered: not for the first time. */
  redelivered = 0;
  /** By modules in sandboxes, on any output. */
  emitted = 0;
  no_route = 0;
  /** A condition had no answer for a message, which did not match: a missing field, a wrong type (J29). */
  undecided = 0;
  expired_ttl = 0;
  dropped_oldest = 0;
  dropped_with_endpoint = 0;
  dropped_with_endpoint_bytes = 0;
  dead_lettered = 0;
  /** Of those: moved there by a queue that was full. */
  overflowed = 0;
  module_results = 0;
  module_records = 0;
  /** Patches of reported properties, and calls of methods of others, that modules in sandboxes asked for. */
  module_reports = 0;
  module_invokes = 0;
  /** Of both: those that came to nothing; the module's log says why. */
  module_refusals = 0;
  connections_total = 0;
  connections_refused = 0;
  /** By a listener, before anybody said who they are. */
  handshakes_failed = 0;
  upgrades_refused = 0;
  connections_over_limit = 0;
  listener_errors = 0;
  unknown_topic = 0;

  snapshot(): Record<string, number> {
    return Object.fromEntries(Object.entries(this)) as Record<string, number>;
  }
}
