/** When a gateway is killed: an instant drawn at random, of a kind drawn at random. */

/** Longest load before a kill, ms. */
const LOAD_MS_MAX = 500;
/** The start of a process, its recovery included, mostly lies within this, ms. */
const START_MS_MAX = 400;
const ACKS_MAX = 600;
const DELIVERIES_MAX = 300;

/**
 * "starting": so long after the process was made, whatever it has come to; "loaded": so long after devices could
 * connect; "acknowledged", "delivered": at once after so many of these, or at the end of the longest load.
 */
export type KillMoment =
  | { readonly kind: "starting"; readonly afterMs: number }
  | { readonly kind: "loaded"; readonly afterMs: number }
  | { readonly kind: "acknowledged"; readonly count: number; readonly afterMs: number }
  | { readonly kind: "delivered"; readonly count: number; readonly afterMs: number };

export function drawKillMoment(below: (n: number) => number): KillMoment {
  const kind = below(10);
  if (kind < 2) return { kind: "starting", afterMs: below(START_MS_MAX) };
  if (kind < 5) return { kind: "loaded", afterMs: below(LOAD_MS_MAX) };
  if (kind < 8) return { kind: "acknowledged", count: 1 + below(ACKS_MAX), afterMs: LOAD_MS_MAX };
  return { kind: "delivered", count: 1 + below(DELIVERIES_MAX), afterMs: LOAD_MS_MAX };
}
