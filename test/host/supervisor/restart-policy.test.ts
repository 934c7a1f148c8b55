import { expect, test } from "vitest";
import {
  backoffDelayMs,
  countPinnedFault,
  RESTART_DEFAULTS,
  restartsAfter,
  type Ending,
  type RestartPolicy,
} from "../../../host/supervisor/restart-policy.ts";

const rows: [RestartPolicy, Ending, boolean][] = [
  ["never", "clean", false],
  ["never", "fault", false],
  ["on-failure", "clean", false],
  ["on-failure", "fault", true],
  ["on-unhealthy", "clean", false],
  ["on-unhealthy", "fault", true],
  ["always", "clean", true],
  ["always", "fault", true],
];
test.for(rows)("policy %s after a %s end restarts: %s", ([policy, ending, expected]) => {
  expect(restartsAfter(policy, ending)).toBe(expected);
});

test("the pause doubles from 10 s and is capped at 300 s", () => {
  const series = [0, 1, 2, 3, 4, 5, 6, 19].map((n) => backoffDelayMs(n, RESTART_DEFAULTS) / 1000);
  expect(series).toEqual([10, 20, 40, 80, 160, 300, 300, 300]);
});

test("pinned faults are a flood only beyond the bound within the window", () => {
  const settings = { ...RESTART_DEFAULTS, poisonFaultsMax: 3, poisonWindowMs: 1000 };
  const run = (times: number[]) => {
    let recentMs: readonly number[] = [];
    const floods: number[] = [];
    for (const at of times) {
      const counted = countPinnedFault(recentMs, at, settings);
      recentMs = counted.recentMs;
      if (counted.flood) floods.push(at);
    }
    return floods;
  };
  expect(run([0, 100, 200])).toEqual([]);
  expect(run([0, 100, 200, 300])).toEqual([300]);
  expect(run([0, 100, 200, 1000])).toEqual([]); // the first has left the window
  expect(run([0, 1, 2, 3, 4, 5, 6, 7])).toEqual([3, 7]); // after a flood the count begins anew
});
