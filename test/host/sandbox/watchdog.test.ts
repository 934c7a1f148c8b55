import { describe, expect, test } from "vitest";
import { WATCH } from "../../../abi/index.ts";
import { WATCHDOG_POLL_MS, Watchdog } from "../../../host/sandbox/watchdog.ts";
import { WatchCell } from "../../../host/sandbox/watch-cell.ts";

function setup(deadlineMs: number, hasCpuClock = true) {
  const time = { wallMs: 0, cpuMs: 0 };
  const watchdog = new Watchdog({
    monotonicMs: () => time.wallMs,
    threadCpuMs: () => (hasCpuClock ? time.cpuMs : null),
  });
  const shared = new SharedArrayBuffer(WATCH.WORDS * 4);
  const cell = new WatchCell(shared);
  cell.identify();
  const reasons: string[] = [];
  const unwatch = watchdog.watch({ cell: shared, deadlineMs, expired: (reason) => reasons.push(reason) });
  const pass = (wallMs: number, cpuMs: number, stepMs = WATCHDOG_POLL_MS): void => {
    for (let gone = 0; gone < wallMs; gone += stepMs) {
      time.wallMs += stepMs;
      time.cpuMs += (cpuMs * stepMs) / wallMs;
      watchdog.poll();
    }
  };
  return { cell, reasons, pass, unwatch };
}

describe("the watchdog", () => {
  test("stops a call that used up its CPU time, once", () => {
    const { cell, reasons, pass } = setup(500);
    cell.enter(3);
    pass(500, 500);
    expect(reasons).toEqual([]);
    pass(2000, 2000);
    expect(reasons).toEqual(["a call with 3 records took more than 500 ms of CPU time"]);
  });

  test("lets a call be that waits for a busy machine", () => {
    const { cell, reasons, pass } = setup(500);
    cell.enter(1);
    pass(4000, 300);
    expect(reasons).toEqual([]);
  });

  test("stops a call that only sleeps at ten times its deadline", () => {
    const { cell, reasons, pass } = setup(500);
    cell.enter(1);
    pass(4900, 0);
    expect(reasons).toEqual([]);
    pass(400, 0);
    expect(reasons).toEqual(["a call with 1 record took more than 5000 ms"]);
  });

  test("counts wall time where there is no CPU clock", () => {
    const { cell, reasons, pass } = setup(100, false);
    cell.enter(1);
    pass(1500, 1500);
    expect(reasons).toHaveLength(1);
  });

  test("judges each call by itself, and none between calls", () => {
    const { cell, reasons, pass } = setup(500);
    for (let i = 0; i < 10; i++) {
      cell.enter(1);
      pass(400, 400);
      cell.leave();
      pass(400, 400);
    }
    expect(reasons).toEqual([]);
  });

  test("does not count the time in which nothing ran at all", () => {
    const { cell, reasons, pass } = setup(500);
    cell.enter(1);
    pass(200, 0);
    pass(60_000, 0, 60_000);
    expect(reasons).toEqual([]);
  });

  test("names initialisation when there are no records", () => {
    const { cell, reasons, pass } = setup(200);
    cell.enter(0);
    pass(1000, 1000);
    expect(reasons).toEqual(["initialisation took more than 200 ms of CPU time"]);
  });

  test("forgets a cell that is not watched any more", () => {
    const { cell, reasons, pass, unwatch } = setup(100);
    cell.enter(1);
    unwatch();
    pass(5000, 5000);
    expect(reasons).toEqual([]);
  });
});
