/**
 * A store in memory, with everything a real one does except lasting: for model tests, which crash it at
 * group boundaries. `keep: false` forgets at once (backend `none`: what durability costs, measured).
 */
import type { Compaction, Group, LaneKey, Recovered, RecordRange, Store, TableWrite } from "./store.ts";

interface StoredLane {
  cursor: number;
  readonly records: (RecordRange & { readonly data: Buffer })[];
}

export class MemoryStore implements Store {
  readonly #keep: boolean;
  readonly #lanes = new Map<string, StoredLane>();
  readonly #rows = new Map<string, Buffer>();
  #poweredMs = 0;
  /** Called with each group before it is applied; a rejection is a failed commit. */
  beforeCommit: (group: Group) => Promise<void> = () => Promise.resolve();

  constructor(options: { readonly keep: boolean } = { keep: true }) {
    this.#keep = options.keep;
  }

  load(): Recovered {
    const lanes = [...this.#lanes].map(([name, { cursor, records }]) => {
      const [queue, priority] = name.split("/").map(Number) as [number, number];
      return { queue, priority, cursor, records: [...records] };
    });
    const rows: TableWrite[] = [...this.#rows].map(([key, value]) => ({
      key: Buffer.from(key, "latin1"),
      value,
    }));
    return { lanes, rows, poweredMs: this.#poweredMs };
  }

  async commit(group: Group): Promise<void> {
    await this.beforeCommit(group);
    if (this.#keep) this.apply(group);
  }

  /** Cursors before appends: elided entries leave holes below the cursor (J4b). */
  apply(group: Group): void {
    for (const key of group.deletedLanes) this.#lanes.delete(nameOf(key));
    for (const move of group.cursors) {
      const lane = this.#lane(move);
      lane.cursor = move.offset;
      while (lane.records[0] !== undefined && lane.records[0].first + lane.records[0].count <= move.offset) {
        lane.records.shift();
      }
    }
    for (const append of group.appends) {
      const { first, count, bytes, data } = append;
      this.#lane(append).records.push({ first, count, bytes, data: Buffer.from(data) });
    }
    for (const { key, value } of group.rows) {
      if (value === null) this.#rows.delete(key.toString("latin1"));
      else this.#rows.set(key.toString("latin1"), value);
    }
    this.#poweredMs = group.poweredMs;
  }

  #lane(key: LaneKey): StoredLane {
    let lane = this.#lanes.get(nameOf(key));
    if (lane === undefined) this.#lanes.set(nameOf(key), (lane = { cursor: 0, records: [] }));
    return lane;
  }

  isFull(): boolean {
    return false;
  }
  freeReserve(): void {}
  restoreReserve(): boolean {
    return true;
  }
  get liveBytes(): number {
    let bytes = 0;
    for (const { records } of this.#lanes.values()) for (const record of records) bytes += record.bytes;
    return bytes;
  }

  read(lane: LaneKey, record: RecordRange): Uint8Array {
    const found = this.#lane(lane).records.find((r) => r.first === record.first);
    if (found === undefined) throw new Error(`no record at ${record.first}`);
    return found.data;
  }

  records(lane: LaneKey, from: number, to: number): RecordRange[] {
    return this.#lane(lane).records.filter((r) => r.first >= from && r.first + r.count <= to);
  }

  /** What is consumed is forgotten at once: there is never anything to give back. */
  async compact(): Promise<Compaction> {
    return { beforeBytes: this.liveBytes, afterBytes: this.liveBytes, tookMs: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const nameOf = (key: LaneKey): string => `${key.queue}/${key.priority}`;
