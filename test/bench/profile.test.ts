import { expect, test } from "vitest";
import { parseSchedstat, sharesBetween } from "./profile.ts";

const at = (atMs: number, threads: Readonly<Record<number, string>>) => ({
  atMs,
  threads: new Map(Object.entries(threads).map(([id, text]) => [Number(id), parseSchedstat(text)])),
});

test("a thread's share of a processor is what its accounts grew by, over the time", () => {
  const from = at(1000, { 7: "1000000 0 5\n", 8: "0 0 0\n" });
  const to = at(1100, { 7: "51000000 10000000 25\n", 9: "9 9 9\n" });
  expect(sharesBetween(from, to)).toEqual([
    { id: 7, runningShare: 0.5, waitingShare: 0.1, switchesPerSecond: 200 },
  ]);
});
