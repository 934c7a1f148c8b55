/** The fault scenarios in their short form; `npm run chaos -- --scenario NAME --minutes M` is the long one. */
import { describe, expect, test } from "vitest";
import { faultyDiskMissing } from "../support/faults/faulty-disk.ts";
import { seeded } from "../support/seed.ts";
import { tempDir } from "../support/temp-dir.ts";
import { clockJump } from "./scenarios/clock-jump.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { RISE_BYTES_MAX, riseOf, slowConsumer } from "./scenarios/slow-consumer.ts";
import { tornWrite } from "./scenarios/torn-write.ts";

const missing = faultyDiskMissing();
if (missing !== null) console.warn(`skipped: ${missing}`);

async function breachesOf(name: string, scenario: Scenario, durationMs: number): Promise<readonly string[]> {
  const { below } = seeded(name);
  const { breaches, line } = await scenario({ folder: await tempDir(), durationMs, below });
  console.info(`${name}: ${line}`);
  return breaches;
}

describe("a gateway", { timeout: 120_000 }, () => {
  test("whose clock jumps an hour ahead and back lets nothing expire, and loses nothing [J3 J31]", async () => {
    expect(await breachesOf("clock-jump", clockJump, 0)).toEqual([]);
  });

  test.skipIf(missing !== null)(
    "that finds its last write torn recovers everything it acknowledged, in order [J1 J3 J8 J35]",
    async () => {
      expect(await breachesOf("torn-write", tornWrite, 0)).toEqual([]);
    },
  );

  test("with a slow consumer under fast producers keeps its memory flat [J5 J6]", async () => {
    expect(await breachesOf("slow-consumer", slowConsumer, 6_000)).toEqual([]);
  });
});

test("a leak is told from the breathing of a collector by the line through all samples", () => {
  const breathing = Array.from({ length: 200 }, (_, i) => 100e6 + (i % 10) * 4e6);
  expect(Math.abs(riseOf(breathing))).toBeLessThan(RISE_BYTES_MAX / 4);
  const leaking = breathing.map((bytes, i) => bytes + i * 0.25e6);
  expect(riseOf(leaking)).toBeGreaterThan(RISE_BYTES_MAX);
});
