/**
 * What the journal asks of a back end: commit one group as one transaction, flushed; load what was
 * committed; read a record back. Exchangeable: memory (model tests), LMDB, LMDB behind a redo log, none
 * (measurements).
 */

import { SandpiperError } from "../../abi/index.ts";
import type { StoreSpace } from "./compaction.ts";

/** What the store holds does not fit together. A person decides: nothing is guessed, left out or repaired. */
export function storeCorrupt(
  what: string,
  details: Record<string, unknown>,
  cause?: unknown,
): SandpiperError {
  return new SandpiperError("SP_STORE_CORRUPT", `store: ${what}`, {
    cause,
    details,
    hint: "the gateway sets it aside when it starts; by hand: sandpiper store set-aside",
  });
}

/** Another version wrote it. It is left as it is. */
export const formatRefused = (what: string, dir: string, details: Record<string, unknown>): SandpiperError =>
  new SandpiperError("SP_STORE_FORMAT", `store: ${what}`, {
    details: { dir, ...details },
    hint: "run the version that wrote it, or begin anew with: sandpiper store set-aside",
  });

/** A lane is one priority of one queue. Queue ids are never reused (J28). */
export interface LaneKey {
  readonly queue: number;
  readonly priority: number;
}

/** Contiguous entries of one lane, as they lie in a slab. */
export interface RecordRange {
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
}

export interface Append extends LaneKey, RecordRange {
  /** Belongs to the slab: valid, and unchanged, until the commit that holds it has resolved. */
  readonly data: Uint8Array;
}

export interface CursorMove extends LaneKey {
  /** First offset that is not settled; records that end at or before it are deleted. */
  readonly offset: number;
}

export interface TableWrite {
  /** Table id, then the row's key. */
  readonly key: Buffer;
  /** `null` deletes. */
  readonly value: Buffer | null;
}

/** Consecutive steps, committed together and immutable once sealed (J16: the very same group is retried). */
export interface Group {
  readonly appends: readonly Append[];
  readonly cursors: readonly CursorMove[];
  readonly rows: readonly TableWrite[];
  readonly deletedLanes: readonly LaneKey[];
  /** Powered clock at the seal, ms (J31). */
  readonly poweredMs: number;
  /** Wall clock at that instant as far as it can be known, ms since 1970; 0 = not at all. */
  readonly wallMs: number;
}

/** A group that only says what time it is. */
export const emptyGroup = ({ poweredMs, wallMs }: Pick<Group, "poweredMs" | "wallMs">): Group => ({
  appends: [],
  cursors: [],
  rows: [],
  deletedLanes: [],
  poweredMs,
  wallMs,
});

export interface RecoveredLane extends LaneKey {
  readonly cursor: number;
  /** In offset order. The first may begin before the cursor. */
  readonly records: readonly RecordRange[];
}

export interface Recovered {
  readonly lanes: readonly RecoveredLane[];
  readonly rows: Iterable<TableWrite>;
  readonly poweredMs: number;
  /** Of the instant that `poweredMs` is of; 0 = not known. */
  readonly wallMs: number;
}

/** What a store gave to the disk since it was opened, as far as it can count it. */
export interface StoreWritten {
  readonly logBytes: number;
  /** Keys and values given to the database. */
  readonly checkpointBytes: number;
  readonly flushes: number;
  readonly checkpoints: number;
}

/** What happens to a store between commits. */
export interface StoreEvents {
  /** `isStuck` or `isCrowded` has changed. */
  readonly onRoomChanged: () => void;
  /** Something failed that only recovery from disk can mend (J17). */
  readonly onFailure: (error: Error) => void;
}

/** What giving room back to the disk brought. */
export interface Compaction {
  readonly beforeBytes: number;
  readonly afterBytes: number;
  readonly tookMs: number;
}

export interface Store {
  load(): Recovered;
  /** Called once, before the first commit. */
  observe(events: StoreEvents): void;
  /** Resolves once the group is durable (J7). Rejecting leaves the store as it was before. */
  commit(group: Group): Promise<void>;
  /** Whether a rejected commit was for want of room, and may be tried again (J16). */
  isFull(error: unknown): boolean;
  /** Commits succeed, but what they hold cannot be brought where it belongs: the disk has no room (J18). */
  readonly isStuck: boolean;
  /** The store catches up; what it has left is for settles and commands (J19). */
  readonly isCrowded: boolean;
  /** Transactions in which deleted records gave their room back, since the start. */
  readonly transactions: number;
  readonly written: StoreWritten;
  /** Frees the reserve, so that the retried group fits (J19). */
  freeReserve(): void;
  /** Takes the reserve, unless it is there. `false`: the disk has no room for it and for producers. */
  restoreReserve(): boolean;
  /** Bytes of the records that are committed and not deleted. */
  readonly liveBytes: number;
  /** One record's bytes: a copy. */
  read(lane: LaneKey, record: RecordRange): Uint8Array;
  /** Records of a lane in `[from, to)`, in order. */
  records(lane: LaneKey, from: number, to: number): RecordRange[];
  /** Of the file on the disk, where there is one. */
  readonly space?: StoreSpace;
  /** Gives the room of what was consumed back to the disk. @throws SP_COMPACT_NO_ROOM, SP_COMPACT_FAILED */
  compact(): Promise<Compaction>;
  close(): Promise<void>;
}
