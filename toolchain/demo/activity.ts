/** What flows through the demo, from the hub's counters and the events that arrived: numbers for one line. */
import type { EventView } from "../../host/index.ts";

export interface Totals {
  readonly atMs: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly alerts: number;
}

/**
 * @param counters the hub's: `received` from sockets, `emitted` by modules
 * @param arrived events that reached `$upstream`, all of which the filter emitted
 */
export function totalsOf(
  counters: Readonly<Record<string, number>>,
  arrived: { readonly events: number; readonly alerts: number },
  atMs: number,
): Totals {
  const emittedBySensor = (counters["emitted"] ?? 0) - arrived.events;
  return {
    atMs,
    messagesIn: (counters["received"] ?? 0) + Math.max(0, emittedBySensor),
    messagesOut: arrived.events,
    alerts: arrived.alerts,
  };
}

export const isAlert = ({ properties, systemProperties }: EventView): boolean =>
  [...properties, ...systemProperties].some(
    ({ name, value }) => name.toLowerCase() === "messagetype" && value === "alert",
  );

/** `in 120   out 96   alerts 96   2.0 per second`; the rate is of messages in, since `before`. */
export function formatTotals(now: Totals, before: Totals): string {
  const seconds = (now.atMs - before.atMs) / 1000;
  const rate = seconds > 0 ? (now.messagesIn - before.messagesIn) / seconds : 0;
  return `in ${now.messagesIn}   out ${now.messagesOut}   alerts ${now.alerts}   ${Math.max(0, rate).toFixed(1)} per second`;
}
