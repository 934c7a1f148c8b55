import { expect, test } from "vitest";
import { formatTotals, isAlert, totalsOf } from "../../../toolchain/demo/activity.ts";
import { toEvent } from "./events.ts";

test("what the filter emitted is not counted as having come in", () => {
  const totals = totalsOf({ received: 3, emitted: 30 }, { events: 10, alerts: 9 }, 0);
  expect(totals).toMatchObject({ messagesIn: 23, messagesOut: 10, alerts: 9 });
});

test("the rate is that of messages in since the last look", () => {
  const before = totalsOf({ emitted: 10 }, { events: 0, alerts: 0 }, 1_000);
  const now = totalsOf({ emitted: 20 }, { events: 5, alerts: 5 }, 3_000);
  expect(formatTotals(now, before)).toBe("in 15   out 5   alerts 5   2.5 per second");
  expect(formatTotals(now, now)).toContain("0.0 per second");
});

test("an alert is known by its property, wherever it stands", () => {
  expect(isAlert(toEvent({ MessageType: "alert" }))).toBe(true);
  expect(isAlert(toEvent({ MessageType: "measurement" }))).toBe(false);
  expect(isAlert(toEvent({}))).toBe(false);
});
