/**
 * Small durable rows: identities, routes, queue ids, sources, key-value images. The View (J11) is the whole
 * of them, in memory; what changed since the last seal goes into the next group.
 */
import type { LaneKey, TableWrite } from "./store.ts";

/** First byte of a row's key on disk: append only. */
export const TABLE = {
  META: 1,
  QUEUE: 2,
  SOURCE: 3,
  IDENTITY: 4,
  ROUTES: 5,
  MODULE: 6,
  KV: 7,
  /** Dead letters that were taken out of the middle of their log. */
  REMOVED: 8,
  TWIN: 9,
  /** Who must hear of changes of desired properties, however long it is away. */
  FOLLOWER: 10,
  /** Subscriptions of MQTT sessions that outlive their connections. */
  SESSION: 11,
  DELIVERIES: 12,
} as const;
export type TableId = (typeof TABLE)[keyof typeof TABLE];

/** Key of a lane's row. */
export function laneRow({ queue, priority }: LaneKey): string {
  const key = Buffer.allocUnsafe(5);
  key.writeUInt32LE(queue, 0);
  key.writeUInt8(priority, 4);
  return key.toString("latin1");
}

export class Tables {
  /** Rows by binary key (latin1), per table. Values are never mutated. */
  readonly #rows = new Map<number, Map<string, Buffer>>();
  #dirty = new Map<string, Buffer | null>();
  /** Changes that are worth no group of their own. */
  #lazy = new Map<string, Buffer>();

  load(rows: Iterable<TableWrite>): void {
    for (const { key, value } of rows) {
      if (value !== null) this.#table(key[0]!).set(key.toString("latin1", 1), value);
    }
  }

  get(table: TableId, key: string): Buffer | undefined {
    return this.#rows.get(table)?.get(key);
  }

  /** `key` is binary, as latin1; `value` is owned by the table from here on. */
  put(table: TableId, key: string, value: Buffer): void {
    this.#table(table).set(key, value);
    const name = String.fromCharCode(table) + key;
    this.#lazy.delete(name);
    this.#dirty.set(name, value);
  }

  /** Like `put`, of what may be lost: written with the next group that is made for something else (J23). */
  putLazily(table: TableId, key: string, value: Buffer): void {
    this.#table(table).set(key, value);
    const name = String.fromCharCode(table) + key;
    (this.#dirty.has(name) ? this.#dirty : this.#lazy).set(name, value);
  }

  /** What was put lazily is written now: there may be no next group. */
  hurry(): void {
    for (const [name, value] of this.#lazy) this.#dirty.set(name, value);
    this.#lazy.clear();
  }

  delete(table: TableId, key: string): void {
    if (!this.#table(table).delete(key)) return;
    const name = String.fromCharCode(table) + key;
    this.#lazy.delete(name);
    this.#dirty.set(name, null);
  }

  /** Rows whose key begins with `prefix`, in no order. */
  *entries(table: TableId, prefix = ""): Generator<[key: string, value: Buffer]> {
    for (const entry of this.#table(table)) if (entry[0].startsWith(prefix)) yield entry;
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** What changed since the last call: net, one write per row (J4). */
  takeChanges(): TableWrite[] {
    this.hurry();
    if (this.#dirty.size === 0) return [];
    const changes: TableWrite[] = [];
    for (const [key, value] of this.#dirty) changes.push({ key: Buffer.from(key, "latin1"), value });
    this.#dirty = new Map();
    return changes;
  }

  #table(table: number): Map<string, Buffer> {
    let rows = this.#rows.get(table);
    if (rows === undefined) this.#rows.set(table, (rows = new Map()));
    return rows;
  }
}
