/** Time, as the host tells it. */
import * as host from "./host";

export namespace clock {
  /** Milliseconds since 1970, wall clock. The same for all messages of one batch. */
  export function now(): f64 {
    return host.now();
  }
  /** Milliseconds of a clock that never goes back; its zero means nothing. */
  export function monotonic(): f64 {
    return host.monotonic();
  }
}
