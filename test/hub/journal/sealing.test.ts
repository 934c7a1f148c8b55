/** When a group is sealed: the linger as a pure decision, case by case. */
import { describe, expect, test } from "vitest";
import {
  initialLinger,
  LINGER_BYTES,
  LINGER_ENTRIES,
  nextLinger,
  sealDelay,
  type Linger,
} from "../../../hub/journal/sealing.ts";

const MAX_MS = 5;
const linger = (ms: number, misses = 0, groups = 0): Linger => ({ ms, misses, groups });

describe("how long to wait for company [J14]", () => {
  const cases: {
    name: string;
    ms: number;
    entries?: number;
    bytes?: number;
    sinceMs?: number;
    delayMs: number;
  }[] = [
    { name: "the whole linger after a seal", ms: 5, delayMs: 5 },
    { name: "what is left of it", ms: 5, sinceMs: 3, delayMs: 2 },
    { name: "not at all when it is over", ms: 5, sinceMs: 5, delayMs: 0 },
    { name: "not at all when the last seal was long ago", ms: 5, sinceMs: 60_000, delayMs: 0 },
    { name: "not at all for less than a timer is worth", ms: 5, sinceMs: 4.8, delayMs: 0 },
    { name: "not at all without a linger", ms: 0, delayMs: 0 },
    { name: "one entry before the cap, still", ms: 5, entries: LINGER_ENTRIES - 1, delayMs: 5 },
    { name: "no longer with enough entries", ms: 5, entries: LINGER_ENTRIES, delayMs: 0 },
    { name: "no longer with enough bytes", ms: 5, bytes: LINGER_BYTES, delayMs: 0 },
  ];
  test.for(cases)("$name", ({ ms, entries = 1, bytes = 100, sinceMs = 0, delayMs }) => {
    expect(sealDelay(linger(ms), { entries, bytes }, sinceMs)).toBeCloseTo(delayMs);
  });
});

describe("what the linger learns [J14]", () => {
  test("it starts at its maximum", () => {
    expect(initialLinger(MAX_MS)).toEqual(linger(MAX_MS));
  });

  test("company in its second half doubles it, up to the maximum, and forgives misses", () => {
    expect(nextLinger(linger(1, 3), MAX_MS, true)).toEqual(linger(2, 0, 1));
    expect(nextLinger(linger(4), MAX_MS, true)).toEqual(linger(MAX_MS, 0, 1));
  });

  test("one that nobody came to is halved only after several in a row", () => {
    let at = linger(4);
    const seen: number[] = [];
    while (seen.length < 12) {
      at = nextLinger(at, MAX_MS, false);
      seen.push(at.ms);
    }
    expect(seen.slice(0, 4)).toEqual([4, 4, 4, 2]);
    expect(seen.slice(4, 12)).toEqual([2, 2, 2, 1, 1, 1, 1, 0.5]);
  });

  test("with nobody there at all it ends at zero, and tries again now and then", () => {
    let at = initialLinger(MAX_MS);
    for (let i = 0; i < 40 && at.ms > 0; i++) at = nextLinger(at, MAX_MS, false);
    expect(at.ms).toBe(0);
    let groups = 0;
    for (; at.ms === 0 && groups < 1_000; groups++) at = nextLinger(at, MAX_MS, null);
    expect(at.ms).toBeGreaterThan(0);
    expect(groups).toBeLessThanOrEqual(64);
    for (let i = 0; i < 8 && at.ms > 0; i++) at = nextLinger(at, MAX_MS, false);
    expect(at.ms, "a probe that finds nobody costs a few groups").toBe(0);
  });

  test("a group sealed before its linger was over says nothing about it", () => {
    expect(nextLinger(linger(2, 1, 7), MAX_MS, null)).toEqual(linger(2, 1, 8));
  });

  test("switched off it stays off", () => {
    for (const brought of [true, false, null]) expect(nextLinger(linger(0, 0, 63), 0, brought).ms).toBe(0);
  });
});
