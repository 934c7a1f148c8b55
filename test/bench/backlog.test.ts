import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { backlogReport, fillMemoryOf } from "./backlog.ts";
import { findCompiler } from "./compile.ts";

const MESSAGES = 20_000;

test("a backlog outlives the process, drains whole and in order, and leaves its room to the next", async ({
  skip,
}) => {
  if (findCompiler() === null) skip("no C compiler");
  const folder = mkdtempSync(join(tmpdir(), "bench-backlog-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const report = await backlogReport({ folder, messages: MESSAGES }, () => {});
  expect(report.faults).toEqual([]);
  expect(report).toMatchObject({ messages: MESSAGES, recovered: MESSAGES });
  const { filled, filledAgain } = report.storeBytes;
  expect(filled).toBeGreaterThan(MESSAGES * 300);
  expect(filledAgain).toBeLessThan(1.5 * filled);
}, 60_000);

test("memory while filling is told by its samples, in their order", () => {
  expect(fillMemoryOf([3, 9, 5, 4])).toEqual({
    beforeBytes: 3,
    halfwayBytes: 5,
    endBytes: 4,
    peakBytes: 9,
  });
});
