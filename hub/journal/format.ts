/**
 * The format of the database, and how one of an older version becomes one of this: a step from each version to
 * the next, all of them in one transaction. What was written by a later version is refused and left alone.
 */
import type { Database } from "./lmdb-environment.ts";
import { formatRefused } from "./store.ts";

export const FORMAT_VERSION = 2;
export const FORMAT_KEY = Buffer.from([0, 0]);
export const FORMAT_VALUE = valueOf(FORMAT_VERSION);

/** Rewrites what has changed from its version to the next; synchronous, because it is part of a transaction. */
export type Migration = (db: Database) => void;

/**
 * By the version that a step begins with. Append only: test/golden/store/ keeps a store of each version, and all
 * of them have to open.
 */
const MIGRATIONS: ReadonlyMap<number, Migration> = new Map([
  // 2 may have a redo log in front of it, and wall time beside powered time: who knew nothing of the log would
  // leave out what it holds. A store of 1 has neither, and nothing to rewrite.
  [1, () => undefined],
]);

/** @throws {SandpiperError} SP_STORE_FORMAT */
export function migrate(
  db: Database,
  dir: string,
  migrations: ReadonlyMap<number, Migration> = MIGRATIONS,
  target = FORMAT_VERSION,
): void {
  const format = db.get(FORMAT_KEY)?.readUInt32LE(0) ?? target;
  if (format === target) return;
  const steps = stepsBetween(format, target, migrations);
  if (steps === null) throw formatRefused(`format ${format}, this version reads ${target}`, dir, { format });
  db.transactionSync(() => {
    for (const step of steps) step(db);
    db.putSync(FORMAT_KEY, valueOf(target));
  });
}

/** Every step from one version to another, or null when one is missing. */
export function stepsBetween(
  from: number,
  to: number,
  migrations: ReadonlyMap<number, Migration>,
): readonly Migration[] | null {
  if (from > to) return null;
  const steps: Migration[] = [];
  for (let version = from; version < to; version++) {
    const step = migrations.get(version);
    if (step === undefined) return null;
    steps.push(step);
  }
  return steps;
}

function valueOf(version: number): Buffer {
  const value = Buffer.alloc(4);
  value.writeUInt32LE(version);
  return value;
}
