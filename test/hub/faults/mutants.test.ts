/** The judge of the kill rounds, judged: hubs that break one rule each must be caught. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { chaos } from "../../support/faults/chaos.ts";
import { FaultyDisk, faultyDiskMissing } from "../../support/faults/faulty-disk.ts";
import { breaches } from "../../support/faults/history.ts";
import { Mutant, type Mutation } from "../../support/faults/mutant.ts";
import { seeded } from "../../support/seed.ts";

const ROUNDS = 3;
/** Kills come at random: a hub that got away with it is tried again. */
const TRIALS_MAX = 3;
/** A flush that takes its time: most kills find one under way. */
const FLUSH_MS = 15;

const missing = faultyDiskMissing();
if (missing !== null) console.warn(`skipped: ${missing}`);

const MUTANTS: readonly { readonly name: string; readonly mutation: Mutation; readonly caught: RegExp }[] = [
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
    name: "leaves a record out now and then",
    mutation: {
      file: "hub/journal/lmdb-store.js",
      from: "put(recordKey(append, append), append.data);",
      to: "if (Math.random() > 0.3) put(recordKey(append, append), append.data);",
    },
    caught: /^the hub does not come up: store: lane|^J1 d\d: acknowledged and not in the log/m,
  },
];

describe.skipIf(missing !== null)("a hub that", { timeout: 60_000 }, () => {
  test.for(MUTANTS)("$name is caught", async ({ mutation, caught }) => {
    using disk = new FaultyDisk("journal.mdb");
    using mutant = new Mutant(mutation);
    disk.delay("data", FLUSH_MS);
    let found = "";
    for (let trial = 0; trial < TRIALS_MAX && !caught.test(found); trial++) {
      found = await trialOf({ env: disk.env, dist: mutant.dist });
    }
    expect(found).toMatch(caught);
  });

  test("breaks no rule is not accused", async () => {
    using disk = new FaultyDisk("journal.mdb");
    disk.delay("data", FLUSH_MS);
    expect(await trialOf({ env: disk.env })).toBe("");
  });
});

/** A few rounds on a new store: breaches, one a line. */
async function trialOf(build: { readonly env: NodeJS.ProcessEnv; readonly dist?: URL }): Promise<string> {
  const storeDir = mkdtempSync(join(tmpdir(), "sandpiper-mutant-store-"));
  const { random } = seeded("trial");
  try {
    return breaches(await chaos({ storeDir, rounds: ROUNDS, publishers: 2, random, ...build })).join("\n");
  } catch (error) {
    return `the hub does not come up: ${(error as Error).message}`;
  } finally {
    rmSync(storeDir, { recursive: true, force: true });
  }
}
