import { expect, test } from "vitest";
import { memoryOf, touchedLinearBytes } from "./process-memory.ts";

const mapping = (range: string, access: string, residentKilobytes: number): string =>
  `${range} ${access} 00000000 00:00 0 \nSize: 128 kB\nRss: ${residentKilobytes} kB\nVmFlags: rd \n`;

test("of a linear memory counts what is resident in front of its reservation", () => {
  const memory = mapping("100000000-100020000", "rw-p", 24) + mapping("100020000-380000000", "---p", 0);
  expect(touchedLinearBytes(memory)).toBe(24 * 1024);
  expect(touchedLinearBytes(memory.replace("380000000", "1a0000000"))).toBe(0);
  expect(touchedLinearBytes(memory.replace("100020000-", "100030000-"))).toBe(0);
  expect(touchedLinearBytes(memory.replace("rw-p", "r--p"))).toBe(0);
});

test("pages that a module writes to are counted as its linear memory, those it may use are not", () => {
  const before = memoryOf(process.pid).linearBytes;
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 256 });
  const bytes = new Uint8Array(memory.buffer);
  const reserved = memoryOf(process.pid).linearBytes - before;
  bytes.fill(1, 0, 1024 * 1024);
  const touched = memoryOf(process.pid).linearBytes - before;
  expect(reserved).toBeLessThan(64 * 1024);
  expect(touched - reserved).toBeGreaterThanOrEqual(1024 * 1024 - 64 * 1024);
  expect(touched - reserved).toBeLessThan(2 * 1024 * 1024 + 64 * 1024);
});
