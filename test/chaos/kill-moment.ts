/** When a gateway is killed: an instant drawn at random, of a kind drawn at random. */
import type { Below } from "./draws.ts";

/** Longest load before a kill at an instant, ms. */
const LOAD_MS_MAX = 300;
/** For so many acknowledgements or deliveries to come, ms: on a slow machine they may take their time. */
const EVENT_MS_MAX = 1_000;
/** The start of a hub and its modules mostly lies within this, ms. */
const START_MS_MAX = 200;
const ACKS_MAX = 250;
const DELIVERIES_MAX = 80;

/**
 * "starting": so long after the hub was told to start, whatever it has come to. "working": so long after devices began
 * to connect, or at once after so many acknowledgements or deliveries, if those come first.
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
export function drawKillMoment(below: Below, mayBeStarting: boolean): KillMoment {
  const kind = below(10);
  if (kind < 2 && mayBeStarting) return { kind: "starting", afterMs: below(START_MS_MAX) };
  if (kind < 5) return { kind: "working", afterMs: below(LOAD_MS_MAX), event: null, count: 0 };
  const event = kind < 8 ? "acknowledged" : "delivered";
  const count = 1 + below(event === "acknowledged" ? ACKS_MAX : DELIVERIES_MAX);
  return { kind: "working", afterMs: EVENT_MS_MAX, event, count };
}
