/** `kill -9` under load, at random instants, judged from outside. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { chaos } from "../../support/faults/chaos.ts";
import { breaches } from "../../support/faults/history.ts";
import { seeded } from "../../support/seed.ts";

const dir = mkdtempSync(join(tmpdir(), "sandpiper-kill-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ROUNDS = 15;
/** Kills are to find the log in every state: going round, with a checkpoint under way. */
const store = { logBytes: 1024 * 1024, checkpointBytes: 64 * 1024, checkpointMs: 50 };

test("a hub killed at random instants keeps every promise it made [J1 J2 J3 J4 J8 J24 J25 J30]", async () => {
  const { random } = seeded("kill rounds");
  const history = await chaos({ storeDir: dir, store, rounds: ROUNDS, publishers: 3, random });
  expect(breaches(history)).toEqual([]);
  for (const { acked, id } of history.publishers)
    expect(acked.length, `${id} got through`).toBeGreaterThan(ROUNDS);
}, 60_000);
