/**
 * What an MQTT session is, beyond its connections: what its client is subscribed to. A session that outlives
 * them (clean session 0) is a row of the store; messages are not part of it, since they wait in the hub's own
 * queues (contract §4.1).
 */
import type { Journal } from "../journal/journal.ts";
import { TABLE } from "../journal/tables.ts";
import { classifyFilter, type Subscription } from "./topics.ts";

/** The QoS that was granted, for what it is subscribed to. */
export type Subscriptions = Partial<Record<Subscription, 0 | 1>>;

export class SessionRow {
  readonly #journal: Journal;
  readonly #key: string;

  /** @param key as of the client's other rows */
  constructor(journal: Journal, key: string) {
    this.#journal = journal;
    this.#key = key;
  }

  /** `null`: there is no session. */
  read(): Subscriptions | null {
    const row = this.#journal.tables.get(TABLE.SESSION, this.#key);
    return row === undefined ? null : (JSON.parse(row.toString()) as Subscriptions);
  }

  /** As part of the current step. */
  write(subscriptions: Subscriptions): void {
    this.#journal.tables.put(TABLE.SESSION, this.#key, Buffer.from(JSON.stringify(subscriptions)));
    this.#journal.step();
  }

  /** As part of the current step. */
  forget(): void {
    this.#journal.tables.delete(TABLE.SESSION, this.#key);
    this.#journal.step();
  }
}

/** After a SUBSCRIBE. Filters that mean nothing to the hub are not remembered (contract §4.5). */
export function subscribed(
  before: Subscriptions,
  requests: readonly { readonly filter: string; readonly qos: number }[],
): Subscriptions {
  const after = { ...before };
  for (const { filter, qos } of requests) {
    const what = classifyFilter(filter);
    if (what !== null) after[what] = qos > 0 ? 1 : 0;
  }
  return after;
}

export function unsubscribed(before: Subscriptions, filters: readonly string[]): Subscriptions {
  const gone = new Set<string | null>(filters.map(classifyFilter));
  return Object.fromEntries(Object.entries(before).filter(([what]) => !gone.has(what)));
}

export const isSame = (a: Subscriptions, b: Subscriptions): boolean => {
  const keys = Object.keys(a) as Subscription[];
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
};
