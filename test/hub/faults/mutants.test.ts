/** The judge of the kill rounds, judged: hubs that break one rule each must be caught. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { StoreConfig } from "../../../hub/face.ts";
import { chaos } from "../../support/faults/chaos.ts";
import { FaultyDisk, faultyDiskMissing, type Flush } from "../../support/faults/faulty-disk.ts";
import { breaches } from "../../support/faults/history.ts";
import { Mutant, type Mutation } from "../../support/faults/mutant.ts";
import { seeded } from "../../support/seed.ts";

const ROUNDS = 3;
/** Kills come at random: a hub that got away with it is tried again. */
const TRIALS_MAX = 3;
/** A flush that takes its time: most kills find one under way. */
const FLUSH_MS: Record<Flush, number> = { data: 15, meta: 15 };
/** The log is quick, the database is not: the log goes round while one checkpoint is under way. */
const SLOW_CHECKPOINT_MS: Record<Flush, number> = { data: 300, meta: 0 };
/** A log that goes round within a kill or two, and checkpoints all the time. */
const STORE: Partial<StoreConfig> = { logBytes: 256 * 1024, checkpointBytes: 32 * 1024, checkpointMs: 20 };

const missing = faultyDiskMissing();
if (missing !== null) console.warn(`skipped: ${missing}`);

interface Case {
  readonly name: string;
  readonly mutation: Mutation;
  readonly caught: RegExp;
  readonly flushMs?: Record<Flush, number>;
}

const MUTANTS: readonly Case[] = [
  {
    name: "releases before the flush",
    mutation: {
      file: "hub/journal/journal.js",
      from: "void this.#commit(inFlight, FULL_RETRY_MS_MIN);",
      to: `for (const { lane, to } of inFlight.lanes) lane.durable = Math.max(lane.durable, to.offset);
        this.#options.onDurable();
        void this.#commit(inFlight, FULL_RETRY_MS_MIN);`,
    },
    caught: /^J1 d\d: (acknowledged|delivered) and not in the log/m,
  },
  {
    name: "appends half a step now and then",
    mutation: {
      file: "hub/endpoints/publisher.js",
      from: "option.lane.appendFrame(block, frame, frame + total, { port: 0, deadline });",
      to: "if (Math.random() > 0.01) option.lane.appendFrame(block, frame, frame + total, { port: 0, deadline });",
    },
    caught: /^J25 d\d: acknowledged and never delivered/m,
  },
  {
    name: "settles what it delivers",
    mutation: {
      file: "hub/endpoints/delivery-window.js",
      from: 'if (delivered === "sent") {',
      to: "if (false) {",
    },
    caught: /^J25 d\d: acknowledged and never delivered/m,
  },
  {
    name: "leaves a record out of checkpoints now and then",
    mutation: {
      file: "hub/journal/lmdb-store.js",
      from: "put(recordKey(append, append), append.data);",
      to: "if (Math.random() > 0.3) put(recordKey(append, append), append.data);",
    },
    caught: /^the hub does not come up: store: |^J1 d\d: acknowledged and not in the log/m,
  },
  {
    name: "uses the log's room again before the checkpoint is durable",
    mutation: {
      file: "hub/journal/redo/checkpointer.js",
      from: "const mark = this.#host.mark();",
      to: "const mark = this.#host.mark(); this.#host.onDone(mark);",
    },
    caught: /^the hub does not come up: |^J1 d\d: acknowledged and not in the log/m,
    flushMs: SLOW_CHECKPOINT_MS,
  },
  {
    name: "leaves cursors out of the log",
    mutation: {
      file: "hub/journal/redo/record.js",
      from: "out.writeUInt32LE(group.cursors.length, AT.CURSORS);",
      to: "group = { ...group, cursors: [] }; out.writeUInt32LE(0, AT.CURSORS);",
    },
    caught: /^the hub does not come up: |^J/m,
  },
];

describe.skipIf(missing !== null)("a hub that", { timeout: 60_000 }, () => {
  test.for(MUTANTS)("$name is caught", async ({ mutation, caught, flushMs }) => {
    using disk = new FaultyDisk("/store/");
    using mutant = new Mutant(mutation);
    slow(disk, flushMs ?? FLUSH_MS);
    let found = "";
    for (let trial = 0; trial < TRIALS_MAX && !caught.test(found); trial++) {
      found = await trialOf({ env: disk.env, dist: mutant.dist });
    }
    expect(found).toMatch(caught);
  });

  test("breaks no rule is not accused", async () => {
    using disk = new FaultyDisk("/store/");
    slow(disk, FLUSH_MS);
    expect(await trialOf({ env: disk.env })).toBe("");
  });
});

function slow(disk: FaultyDisk, ms: Record<Flush, number>): void {
  for (const kind of ["data", "meta"] as const) disk.delay(kind, ms[kind]);
}

/** A few rounds on a new store: breaches, one a line. */
async function trialOf(build: { readonly env: NodeJS.ProcessEnv; readonly dist?: URL }): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "sandpiper-mutant-store-"));
  const storeDir = join(dir, "store");
  const { random } = seeded("trial");
  try {
    return breaches(
      await chaos({ storeDir, store: STORE, rounds: ROUNDS, publishers: 2, random, ...build }),
    ).join("\n");
  } catch (error) {
    return `the hub does not come up: ${(error as Error).message}`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
