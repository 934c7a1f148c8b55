/** Powered time: what the box has been running, whatever its wall clock says, and what it was off if asked [J31]. */
import { describe, expect, test } from "vitest";
import {
  PoweredClock,
  WALL_MS_MIN,
  type ClockMode,
  type ClockReading,
} from "../../../hub/journal/powered-clock.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOON = WALL_MS_MIN + 100 * DAY + 12 * HOUR;
const NEW: ClockReading = { poweredMs: 0, wallMs: 0 };

/** A box whose clocks are set by hand: `runs` moves both, `wall` may be set to anything. */
class Box {
  monotonicMs = 7;
  wallMs: number;

  constructor(wallMs: number) {
    this.wallMs = wallMs;
  }

  runs(ms: number): void {
    this.monotonicMs += ms;
    this.wallMs += ms;
  }

  boot(last: ClockReading, mode: ClockMode = "wall"): PoweredClock {
    return new PoweredClock({ wall: () => this.wallMs, monotonic: () => this.monotonicMs }, last, mode);
  }
}

test("starts where it was recovered, wherever the monotonic clock stands", () => {
  const box = new Box(NOON);
  box.monotonicMs = 987_654;
  expect(box.boot({ poweredMs: 5_000, wallMs: 0 }, "powered").now()).toBe(5_000);
});

test.each<ClockMode>(["powered", "wall"])(
  "in mode %s goes on with the monotonic clock, and does not see the wall clock jump [J31]",
  (mode) => {
    const box = new Box(NOON);
    const powered = box.boot(NEW, mode);
    for (const jump of [HOUR, -HOUR, -NOON, 30 * 365 * DAY]) {
      box.runs(250);
      box.wallMs = NOON + jump;
      powered.review();
    }
    expect(powered.now()).toBe(1_000);
  },
);

describe("three days without power [J31]", () => {
  const last = { poweredMs: 60_000, wallMs: NOON };

  test("do not count in powered time", () => {
    const box = new Box(NOON + 3 * DAY);
    const powered = box.boot(last, "powered");
    box.runs(1);
    expect(powered.now()).toBe(60_001);
  });

  test("count in wall time, once", () => {
    const box = new Box(NOON + 3 * DAY);
    const powered = box.boot(last);
    box.runs(1);
    powered.review();
    expect(powered.now()).toBe(60_001 + 3 * DAY);
    const next = new Box(box.wallMs + HOUR).boot(powered.reading());
    expect(next.now()).toBe(60_001 + 3 * DAY + HOUR);
  });

  test("count as soon as a box that boots in 1970 gets its clock set", () => {
    const box = new Box(0);
    const powered = box.boot(last);
    box.runs(10 * 60_000);
    powered.review();
    expect([powered.now(), powered.isCredible()]).toEqual([60_000 + 10 * 60_000, false]);
    box.wallMs = NOON + 3 * DAY + 10 * 60_000;
    powered.review();
    expect([powered.now(), powered.isCredible()]).toEqual([60_000 + 3 * DAY + 10 * 60_000, true]);
  });

  test("count whole when a boot in 1970 that never got its clock set lies between", () => {
    const lost = new Box(0);
    const between = lost.boot(last);
    lost.runs(HOUR);
    const powered = new Box(NOON + 3 * DAY).boot(between.reading());
    expect(powered.now()).toBe(60_000 + 3 * DAY);
  });

  test("count as often as the clock jumps while the box runs: not at all", () => {
    const box = new Box(NOON + 3 * DAY);
    const powered = box.boot(last);
    box.wallMs -= HOUR;
    box.runs(1_000);
    box.wallMs += 2 * HOUR;
    const { poweredMs, wallMs } = powered.reading();
    expect(poweredMs - 60_000).toBe(3 * DAY + 1_000);
    expect(wallMs).toBe(NOON + 3 * DAY + 1_000);
  });
});

describe("a wall clock is believed", () => {
  const last = { poweredMs: 0, wallMs: NOON };

  test("on a new store as soon as it is set", () => {
    expect(new Box(0).boot(NEW).isCredible()).toBe(false);
    expect(new Box(WALL_MS_MIN).boot(NEW).isCredible()).toBe(true);
  });

  test.each([
    ["an hour before the last one seen", NOON - HOUR],
    ["decades after it", NOON + 30 * 365 * DAY],
  ])("not when it begins %s; nothing is counted, and after a day it is what there is", (_name, wallMs) => {
    const box = new Box(wallMs);
    const powered = box.boot(last);
    expect(powered.isCredible()).toBe(false);
    box.runs(DAY);
    box.wallMs = wallMs;
    powered.review();
    expect([powered.isCredible(), powered.now()]).toEqual([true, DAY]);
  });

  test("again when it has passed the last one seen", () => {
    const box = new Box(NOON - HOUR);
    const powered = box.boot(last);
    box.runs(HOUR);
    powered.review();
    expect([powered.isCredible(), powered.now()]).toEqual([true, HOUR]);
  });

  test("not while it stands in 1970, whatever it said before", () => {
    const box = new Box(NOON);
    const powered = box.boot(last);
    box.wallMs = 5;
    expect(powered.isCredible()).toBe(false);
  });
});
