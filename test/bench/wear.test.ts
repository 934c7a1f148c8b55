import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findCompiler } from "./compile.ts";
import { diskStatistics } from "./disk.ts";
import { bytesPerMessage, wearReport } from "./wear.ts";

test("what the machine writes by itself is taken off, in the time of the window", () => {
  const idle = { bytes: 1000, seconds: 10 };
  expect(bytesPerMessage({ bytes: 5000, seconds: 20 }, idle, 10)).toBe(300);
  expect(bytesPerMessage({ bytes: 1500, seconds: 20 }, idle, 10)).toBe(0);
});

test("wear is measured of lone messages, at load through one module and two, and by linger", async ({
  skip,
}) => {
  if (findCompiler() === null) skip("no C compiler");
  const folder = mkdtempSync(join(tmpdir(), "bench-wear-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  if (diskStatistics(folder) === null) skip(`"${folder}" is on no block device`);
  const plan = { folder, pacedSecs: 0.2, loadSecs: 0.1, lingers: [20], rates: [100] };
  const report = await wearReport(plan, () => {});
  expect(report.faults).toEqual([]);
  expect(report.bytesPerMessageAtLoad).toBe(report.atLoad.bytesPerMessage);
  expect(report.bytesPerMessageAtLoadTwoModules).toBe(report.atLoadTwoModules.bytesPerMessage);
  expect(report.bytesPerLoneMessage).toBe(report.lone.bytesPerMessage);
  expect(report.lone.messages).toBeGreaterThan(0);
  expect(report.lingers).toMatchObject([{ lingerMs: 20, rate: 100 }]);
  expect(report.targets.map(({ row, must, stretch }) => [row, must, stretch])).toEqual([
    [5, 8192, 5120],
    [5, 600, 400],
    [5, 700, 450],
  ]);
}, 60_000);
