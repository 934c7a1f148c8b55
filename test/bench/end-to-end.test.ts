import { describe, expect, test } from "vitest";
import { endToEndReport } from "./end-to-end.ts";
import type { LoadResult } from "./load.ts";
import type { LoadName } from "./loads.ts";
import type { Sample } from "./rounds.ts";
import { median } from "./statistics.ts";
import { endToEndTable, verdictLines } from "./table.ts";
import { judge, pacedAckTarget, type Target } from "./targets.ts";

const latency = (p50: number) => ({ count: 1, p50, p90: p50, p99: p50 * 2, max: p50 * 3 });

const intact: LoadResult = {
  seconds: 3,
  sent: 10,
  acked: 10,
  received: 10,
  unacked: 0,
  lost: 0,
  duplicates: 0,
  outOfOrder: 0,
  badPayloads: 0,
  strayAcks: 0,
  stale: 0,
  skipped: 0,
  disconnected: 0,
  ackedPerSecond: 1000,
  receivedPerSecond: 1000,
  ackMicros: latency(400),
  endToEndMicros: latency(500),
  serverCpuMicrosPerMessage: 3,
  generatorCpuMicrosPerMessage: 1,
  diskBytesPerMessage: 350,
  measuredFromMicros: 1,
};

const sample = (peer: string, load: LoadName, round: number, result: Partial<LoadResult>): Sample => ({
  peer,
  load,
  round,
  result: { ...intact, ...result },
});

const report = (samples: readonly Sample[]) => endToEndReport({ samples, failures: [], flushMicros: 300 }, 5);

describe("a report", () => {
  test("takes the median of the rounds' ratios, not the ratio of medians", () => {
    const rates = [
      [400, 100],
      [300, 100],
      [900, 300],
    ] as const;
    const samples = rates.flatMap(([ours, theirs], round) => [
      sample("sandpiper", "20x100", round, { receivedPerSecond: ours }),
      sample("mosquitto", "20x100", round, { receivedPerSecond: theirs }),
    ]);
    const { ratios, spread } = report(samples);
    expect(ratios.mosquitto).toEqual({ "1x100": null, "20x100": 3, "200x1": null });
    expect(spread.mosquitto["20x100"]).toEqual([3, 4]);
    expect(ratios.aedes["20x100"]).toBeNull();
  });

  test("leaves a sample with a fault out of every figure, and names it", () => {
    const { absolute, faults } = report([
      sample("sandpiper", "1x100", 1, { receivedPerSecond: 9, lost: 2, duplicates: 1 }),
      sample("sandpiper", "1x100", 2, { receivedPerSecond: 5 }),
    ]);
    expect(absolute["sandpiper"]?.["1x100"]).toMatchObject({ rounds: 1, messagesPerSecond: 5 });
    expect(faults).toEqual(["sandpiper 1x100, round 1: lost 2, duplicates 1"]);
  });

  test("judges the paced latency by the linger and 1.3 flushes of this disk", () => {
    const { paced, targets } = report([sample("sandpiper", "paced", 1, { ackMicros: latency(5391) })]);
    expect(paced).toMatchObject({ ackP50Micros: 5391, ackP99Micros: 10782, flushMicros: 300, lingerMs: 5 });
    expect(targets.find((t) => t.figure === "ack p50 at 1,000/s")).toMatchObject({
      must: 5390,
      verdict: "missed",
    });
  });

  test("says of each target whether it was reached, also when it was not", () => {
    const { targets } = report([
      sample("sandpiper", "200x1", 1, { receivedPerSecond: 60 }),
      sample("mosquitto", "200x1", 1, { receivedPerSecond: 100 }),
    ]);
    expect(targets).toHaveLength(11);
    expect(verdictLines(targets).split("\n")[2]).toMatch(
      /^row 1 {2}200x1 against mosquitto +0\.60x {2}at least 0\.75x +\(1\.00x\) +missed$/,
    );
  });

  test("is one aligned table for people", () => {
    const table = endToEndTable(
      report([
        sample("sandpiper", "1x100", 1, { receivedPerSecond: 150_000 }),
        sample("mosquitto", "1x100", 1, { receivedPerSecond: 100_000 }),
      ]),
    );
    const [headings, ...rows] = table.split("\n");
    expect(rows.map((row) => row.length)).toEqual([headings!.length, headings!.length]);
    expect(rows[1]).toContain("1.50x (1.50-1.50)");
  });
});

const atLeast: Target = { row: 1, figure: "rate", unit: "x", direction: "at least", must: 4, stretch: 6 };
const atMost: Target = { row: 4, figure: "time", unit: "µs", direction: "at most", must: 250, stretch: 150 };

test.for([
  [atLeast, 6, "stretch reached"],
  [atLeast, 4, "reached"],
  [atLeast, 3.99, "missed"],
  [atLeast, null, "not measured"],
  [atLeast, Number.NaN, "not measured"],
  [atMost, 150, "stretch reached"],
  [atMost, 250, "reached"],
  [atMost, 251, "missed"],
  [pacedAckTarget(5, 100), 5130, "reached"],
  [pacedAckTarget(5, 100), 5131, "missed"],
] as const)("a target of %o with %o is %s", ([target, value, verdict]) => {
  expect(judge(target, value).verdict).toBe(verdict);
});

test("a median is one of the values, the lower of two", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1])).toBe(1);
  expect(median([])).toBeNaN();
});
