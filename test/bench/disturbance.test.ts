import { expect, test } from "vitest";
import { disturbanceOf, type Interval } from "./disturbance.ts";

const SECOND = 1e6;
const observed = (p99s: readonly number[], ...intervals: Interval[]) => ({
  result: { ackP99BySecond: p99s, measuredFromMicros: 10 * SECOND },
  intervals,
});

test("the seconds that a disturbance touches are told from the others", () => {
  const run = observed([5, 90, 70, 6, 0, 7], [11.2 * SECOND, 12.1 * SECOND]);
  expect(disturbanceOf(run)).toEqual({
    times: 1,
    disturbedP99Micros: 70,
    undisturbedP99Micros: 6,
    worstP99Micros: 90,
  });
});

test("where nothing disturbed, or everything did, there is nothing to compare", () => {
  expect(disturbanceOf(observed([5, 6]))).toBeNull();
  expect(disturbanceOf(observed([5, 6], [9 * SECOND, 20 * SECOND]))).toBeNull();
  // After the run.
  expect(disturbanceOf(observed([5, 6], [12 * SECOND, 13 * SECOND]))).toBeNull();
});
