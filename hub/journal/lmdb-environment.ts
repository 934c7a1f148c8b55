/**
 * The database file of a store, whichever file that is at the moment: opened, exchanged for a compacted copy,
 * closed. What writes and what exchanges it take turns; reads find one open at all times.
 */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";
import { SandpiperError } from "../../abi/index.ts";
import {
  copyName,
  fileBytesOf,
  refuseWithoutRoom,
  removeCopies,
  swapInCopy,
  type StoreSpace,
} from "./compaction.ts";
import { foreignLayout, lmdbFileFault } from "./lmdb-file.ts";
import { formatRefused, storeCorrupt, type Compaction } from "./store.ts";

export const DATABASE_FILE = "journal.mdb";
/** Address space, not disk: `store.bytesMax` is what bounds the disk. */
const MAP_BYTES = process.arch === "arm" ? 1 << 30 : 64 * 2 ** 30;
/** A read holds its snapshot until a timer of lmdb has run, which must not meet a closed database. */
const READ_ENDS_MS = 2;

export type Database = RootDatabase<Buffer, Buffer>;

export class LmdbEnvironment {
  readonly #dir: string;
  readonly #path: string;
  #db: Database;
  #copies = 0;
  /** Lock file of the copy that is in use, when it is one. */
  #lock: string | null = null;
  /** The last of those that take turns. */
  #turn: Promise<void> | null = null;
  /** The folder could not be flushed after an exchange: which of the two files it names is not known. */
  #failure: Error | null = null;

  /** @throws {SandpiperError} SP_STORE_OPEN, SP_STORE_CORRUPT */
  constructor(dir: string) {
    this.#dir = dir;
    this.#path = join(dir, DATABASE_FILE);
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const layout = foreignLayout(this.#path);
      if (layout !== null) throw formatRefused(`layout ${layout} of its database`, dir, { layout });
      const fault = lmdbFileFault(this.#path);
      if (fault !== null) throw storeCorrupt(`"${this.#path}" ${fault}`, { dir });
      removeCopies(dir);
      this.#db = openDatabase(this.#path);
      chmodSync(this.#path, 0o600); // it holds the keys of devices
    } catch (cause) {
      if (cause instanceof SandpiperError) throw cause;
      throw new SandpiperError("SP_STORE_OPEN", `store: cannot open "${dir}": ${(cause as Error).message}`, {
        cause,
        details: { dir },
        hint: "check that the folder is writable, and that no other gateway uses it",
      });
    }
  }

  get db(): Database {
    return this.#db;
  }

  get space(): StoreSpace {
    const stats = this.#db.getStats() as Stats;
    const pages = 2 + pagesOf(stats) + pagesOf(stats.free);
    return { fileBytes: fileBytesOf(this.#path), usedBytes: pages * stats.pageSize, holdsCommits: true };
  }

  /** Runs `work` while nothing else writes or exchanges the file: at once, or after those that came before. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const begin = async (): Promise<T> => {
      if (this.#failure !== null) throw this.#failure;
      return work();
    };
    const running = this.#turn === null ? begin() : this.#turn.then(begin);
    const turn: Promise<void> = running.then(ignore, ignore).then(() => {
      if (this.#turn === turn) this.#turn = null;
    });
    this.#turn = turn;
    return running;
  }

  /** What is to be written meanwhile waits. @throws SP_COMPACT_NO_ROOM, SP_COMPACT_FAILED */
  compact(): Promise<Compaction> {
    return this.exclusively(() => this.#compact());
  }

  async #compact(): Promise<Compaction> {
    const begun = performance.now();
    const { fileBytes: beforeBytes, usedBytes } = this.space;
    refuseWithoutRoom(this.#dir, usedBytes);
    const old = this.#db;
    const oldLock = this.#lock;
    const copy = copyName(++this.#copies);
    try {
      await swapInCopy<Database>({
        dir: this.#dir,
        path: this.#path,
        copy,
        writeCopy: (path) => old.backup(path, true),
        openCopy: openDatabase,
        onSwapped: (db) => {
          this.#db = db;
          this.#lock = join(this.#dir, `${copy}-lock`);
        },
      });
    } catch (error) {
      if (this.#db !== old) this.#failure = error as Error;
      throw error;
    }
    await closeDatabase(old);
    if (oldLock !== null) rmSync(oldLock, { force: true });
    return { beforeBytes, afterBytes: fileBytesOf(this.#path), tookMs: performance.now() - begun };
  }

  async close(): Promise<void> {
    while (this.#turn !== null) await this.#turn;
    await closeDatabase(this.#db);
    if (this.#lock !== null) rmSync(this.#lock, { force: true });
  }
}

interface TreeStats {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}
interface Stats extends TreeStats {
  readonly pageSize: number;
  readonly entryCount: number;
  readonly free: TreeStats & { readonly entryCount: number };
}

const pagesOf = (tree: TreeStats): number =>
  tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages;

const ignore = (): void => undefined;

export function openDatabase(path: string): Database {
  const db = open<Buffer, Buffer>({
    path,
    mapSize: MAP_BYTES,
    overlappingSync: false,
    encoding: "binary",
    keyEncoding: "binary",
  });
  recordFreePages(db);
  return db;
}

/** Belongs to nobody: written to have a page freed. */
const SCRATCH_KEY = Buffer.from([0, 255]);

/**
 * A database that holds something and knows of no free page, as one does that was just compacted, ends the process
 * when its first transaction frees many at once: lmdb's allocator reads a list that it is only beginning to
 * write. After a small transaction there is a list.
 */
function recordFreePages(db: Database): void {
  const { entryCount, free } = db.getStats() as Stats;
  if (entryCount > 0 && free.entryCount === 0) db.putSync(SCRATCH_KEY, SCRATCH_KEY);
}

async function closeDatabase(db: Database): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, READ_ENDS_MS));
  await db.close();
}
