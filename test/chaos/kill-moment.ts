/** When a gateway is killed: an instant drawn at random, of a kind drawn at random. */

/** Longest load before a kill, ms. */
const LOAD_MS_MAX = 300;
/** The start of a process, its recovery included, mostly lies within this, ms. */
const START_MS_MAX = 400;
const ACKS_MAX = 600;
const DELIVERIES_MAX = 300;

/**
 * "starting": so long after the process was made, whatever it has come to. "working": when devices are connected and
 * modules run, so long after that, or at once after so many acknowledgements or deliveries, if those come first.
 */
export type KillMoment =
  | { readonly kind: "starting"; readonly afterMs: number }
  | {
      readonly kind: "working";
      readonly afterMs: number;
      readonly event: "acknowledged" | "delivered" | null;
      readonly count: number;
    };

/** @param mayBeStarting not in a life in which something has to be done first */
export function drawKillMoment(below: (n: number) => number, mayBeStarting: boolean): KillMoment {
  const kind = below(10);
  if (kind < 2 && mayBeStarting) return { kind: "starting", afterMs: below(START_MS_MAX) };
  if (kind < 5) return { kind: "working", afterMs: below(LOAD_MS_MAX), event: null, count: 0 };
  const event = kind < 8 ? "acknowledged" : "delivered";
  const count = 1 + below(event === "acknowledged" ? ACKS_MAX : DELIVERIES_MAX);
  return { kind: "working", afterMs: LOAD_MS_MAX, event, count };
}
