/** Powered time: what the box has been running, whatever its wall clock says [J31]. */
import { expect, test } from "vitest";
import { PoweredClock } from "../../../hub/journal/powered-clock.ts";

const clockAt = (times: { wall: number; monotonic: number }) => ({
  wall: () => times.wall,
  monotonic: () => times.monotonic,
});

test("starts where it was recovered, wherever the monotonic clock stands", () => {
  expect(new PoweredClock(clockAt({ wall: 0, monotonic: 987_654 }), 5_000).now()).toBe(5_000);
});

test("goes on with the monotonic clock, and does not see the wall clock jump [J31]", () => {
  const times = { wall: 0, monotonic: 100 };
  const powered = new PoweredClock(clockAt(times), 0);
  for (const wall of [0, 3_600_000, -3_600_000, 1_900_000_000_000]) {
    times.wall = wall;
    times.monotonic += 250;
  }
  expect(powered.now()).toBe(1_000);
});

test("stands still while the box is off [J31]", () => {
  const before = new PoweredClock(clockAt({ wall: 0, monotonic: 0 }), 0);
  const times = { wall: 0, monotonic: 7 };
  const saved = before.now() + 60_000;
  times.wall += 3 * 24 * 3_600_000; // three days without power
  const after = new PoweredClock(clockAt(times), saved);
  times.monotonic += 1;
  expect(after.now()).toBe(60_001);
});
