/** What a canary demands: each message acknowledged and delivered, once, and how long it had to wait. */
import { expect, test } from "vitest";
import { Ledger } from "./ledger.ts";

test("a message is served when it is acknowledged and delivered, in either order", () => {
  const ledger = new Ledger();
  const [a, b] = [ledger.begin(0), ledger.begin(10)];
  ledger.acked(a, 20);
  ledger.delivered(b, 30);
  expect([ledger.served, ledger.inFlight, ledger.waitingMs(50)]).toEqual([0, 2, 50]);
  ledger.delivered(a, 60);
  ledger.acked(b, 70);
  expect([ledger.served, ledger.inFlight, ledger.waitingMs(80), ledger.slowestMs]).toEqual([2, 0, 0, 60]);
  expect(ledger.isServed(b)).toBe(true);
  expect(ledger.isServed(b + 1), "not sent yet").toBe(false);
  expect(ledger.faults).toEqual([]);
});

test("what comes twice, or was never sent, is a fault", () => {
  const ledger = new Ledger();
  const a = ledger.begin(0);
  ledger.acked(a, 1);
  ledger.acked(a, 2);
  ledger.delivered(a, 3);
  ledger.delivered(a, 4);
  ledger.acked(99, 5);
  expect(ledger.faults).toEqual([
    "acknowledgement of 0 comes twice",
    "0 is delivered twice",
    "acknowledgement of 99 comes twice",
  ]);
});
