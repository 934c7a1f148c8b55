import { expect, test } from "vitest";
import { judge, type ModuleHealth } from "../../../host/agent/health.ts";
import type { ModuleStatus } from "../../../host/supervisor/supervisor.ts";

const status = (word: ModuleStatus["status"], runningForMs: number | null = null): ModuleStatus => ({
  status: word,
  description: word,
  restarts: 0,
  startedAtMs: null,
  runningForMs,
  exitedAtMs: null,
  restartedAtMs: null,
  exitCode: 0,
  lastFault: null,
  faults: { pinned: 0, unpinned: 0, recovered: 0 },
});

test.for<[ModuleStatus["status"], number | null, ModuleHealth]>([
  ["running", 3_000, "healthy"],
  ["running", 1_000, { waitMs: 2_000 }],
  ["running", 0, { waitMs: 3_000 }],
  ["exited", null, "healthy"],
  ["stopped", null, "healthy"],
  ["failed", null, "unhealthy"],
  ["starting", null, { waitMs: null }],
  ["stopping", null, { waitMs: null }],
  ["backoff", null, { waitMs: null }],
  ["unhealthy", null, { waitMs: null }],
])("a module that is %s for %s ms is judged %j", ([word, runningForMs, expected]) => {
  expect(judge(status(word, runningForMs), 3_000)).toEqual(expected);
});
