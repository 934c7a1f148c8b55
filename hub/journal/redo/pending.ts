/**
 * What is in the redo log and not in the database yet: where the entries lie, the cursors, the rows. No bodies:
 * those are read back from the log, which has just been written and is in the page cache. What has been settled
 * since is forgotten here, and never reaches the database (J4).
 */
import { RecordIndex } from "../record-index.ts";
import type { Group, LaneKey, RecordRange, TableWrite } from "../store.ts";
import type { LoggedGroup } from "./record.ts";

/** Entries of one lane, end to end in the log. */
export interface PendingRecord extends RecordRange {
  /** Place of their bytes in the ring. */
  readonly place: number;
  /** They lie in one slab with those before them, so that both may be stored as one record. */
  readonly isContinued: boolean;
}

export class PendingLane implements LaneKey {
  readonly queue: number;
  readonly priority: number;
  readonly records = new RecordIndex<PendingRecord>();
  /** First offset that is not settled, or -1 when nothing was settled since the database has the lane. */
  cursor = -1;
  /** Where the latest entries ended, as an offset and in their slab. */
  #end = { offset: -1, at: -1 };

  constructor({ queue, priority }: LaneKey) {
    this.queue = queue;
    this.priority = priority;
  }

  /**
   * Entries came. In the same slab as those before them if they begin where those ended: in another, the next
   * offset would be at its start.
   */
  append({ first, count, bytes }: RecordRange, place: number, slabAt: number): void {
    const isContinued = slabAt > 0 && first === this.#end.offset && slabAt === this.#end.at;
    this.records.push({ first, count, bytes, place, isContinued });
    this.#end = { offset: first + count, at: slabAt + bytes };
  }

  moveCursor(offset: number): void {
    this.cursor = Math.max(this.cursor, offset);
    this.records.drop(this.records.endingBy(this.cursor).length);
  }
}

/** In no slab: entries that were read back from the log. */
const NOWHERE = -1;

/** What the database has of a lane: a checkpoint may have been under way when the power went. */
export interface Ahead {
  cursorOf(lane: LaneKey): number;
  /** First offset after its last record. */
  endOf(lane: LaneKey): number;
}

type Clocks = Pick<Group, "poweredMs" | "wallMs">;

export class Pending {
  readonly #lanes = new Map<string, PendingLane>();
  #deleted = new Map<string, LaneKey>();
  /** By key (latin1): the last value since the checkpoint before. */
  #rows = new Map<string, TableWrite>();
  /** Of the last group. */
  clocks: Clocks;

  constructor(clocks: Clocks) {
    this.clocks = clocks;
  }

  /**
   * A group is durable; its entries begin at `dataAt`. Cursors before appends: entries that were left out leave
   * holes below the cursor (J4b).
   */
  apply(group: Group, dataAt: number): void {
    this.#applyLanes(group);
    let place = dataAt;
    for (const append of group.appends) {
      this.lane(append).append(append, place, append.data.byteOffset);
      place += append.bytes;
    }
    this.#applyRows(group);
  }

  /** A group was read back from the log, over what the database has got ahead of it. */
  replay(group: LoggedGroup, dataAt: number, ahead: Ahead): void {
    this.#applyLanes({
      ...group,
      cursors: group.cursors.filter((move) => move.offset > ahead.cursorOf(move)),
    });
    let place = dataAt;
    for (const append of group.appends) {
      const isStored = append.first + append.count <= Math.max(ahead.cursorOf(append), ahead.endOf(append));
      if (!isStored) this.lane(append).append(append, place, NOWHERE);
      place += append.bytes;
    }
    this.#applyRows(group);
  }

  #applyLanes({ deletedLanes, cursors }: Pick<Group, "deletedLanes" | "cursors">): void {
    for (const key of deletedLanes) {
      this.#lanes.delete(nameOf(key));
      this.#deleted.set(nameOf(key), key);
    }
    for (const move of cursors) this.lane(move).moveCursor(move.offset);
  }

  #applyRows(group: Pick<Group, "rows"> & Clocks): void {
    for (const row of group.rows) this.#rows.set(row.key.toString("latin1"), row);
    this.clocks = { poweredMs: group.poweredMs, wallMs: group.wallMs };
  }

  lane(key: LaneKey): PendingLane {
    const name = nameOf(key);
    let lane = this.#lanes.get(name);
    if (lane === undefined) this.#lanes.set(name, (lane = new PendingLane(key)));
    return lane;
  }

  find(key: LaneKey): PendingLane | undefined {
    return this.#lanes.get(nameOf(key));
  }

  lanes(): PendingLane[] {
    return [...this.#lanes.values()];
  }

  /** Whether the database may hold a lane that is deleted. */
  isDeleted(key: LaneKey): boolean {
    return this.#deleted.has(nameOf(key));
  }

  row(key: string): TableWrite | undefined {
    return this.#rows.get(key);
  }

  rows(): IterableIterator<TableWrite> {
    return this.#rows.values();
  }

  /** Hands over what a checkpoint is to write, apart from lanes, which go on being settled meanwhile. */
  takeRows(): { readonly deleted: readonly LaneKey[]; readonly rows: readonly TableWrite[] } {
    const taken = { deleted: [...this.#deleted.values()], rows: [...this.#rows.values()] };
    this.#deleted = new Map();
    this.#rows = new Map();
    return taken;
  }

  /** The database has a lane's cursor, and its records that begin before `end`. */
  stored(lane: PendingLane, cursor: number, end: number): void {
    if (lane.cursor === cursor) lane.cursor = -1;
    lane.records.drop(lane.records.within(0, end).length);
    if (lane.cursor === -1 && lane.records.length === 0 && this.find(lane) === lane)
      this.#lanes.delete(nameOf(lane));
  }

  get bytes(): number {
    let bytes = 0;
    for (const { records } of this.#lanes.values()) bytes += records.bytes;
    return bytes;
  }
}

const nameOf = (key: LaneKey): string => `${key.queue}/${key.priority}`;
