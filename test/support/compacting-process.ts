/**
 * A process that commits and compacts without end, until it is killed. It prints the offset of each record once
 * that is durable.
 */
import { LmdbStore } from "../../hub/journal/lmdb-store.ts";

const LANE = { queue: 1, priority: 10 };
const BYTES = 4_000;
const KEPT = 200;

const store = new LmdbStore(process.argv[2]!);
const [lane] = store.load().lanes;
const last = lane?.records.at(-1);
const begin = last === undefined ? 0 : last.first + last.count;

void (async () => {
  for (;;) await store.compact();
})();
for (let first = begin; ; first++) {
  const data = Buffer.alloc(BYTES, first & 0xff);
  const cursors = first > KEPT ? [{ ...LANE, offset: first - KEPT }] : [];
  await store.commit({
    appends: [{ ...LANE, first, count: 1, bytes: BYTES, data }],
    cursors,
    rows: [],
    deletedLanes: [],
    poweredMs: 0,
    wallMs: 0,
  });
  process.stdout.write(`${first}\n`);
}
