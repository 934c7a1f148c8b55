import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { findCompiler } from "./compile.ts";
import { faultsOf, runLoad } from "./load.ts";
import { seglog } from "./peers/seglog.ts";

const MESSAGES = 2_000;
const PAYLOAD_BYTES = 300;
const HEAD_BYTES = 24;

const folderOf = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "bench-seglog-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
};

/** Lengths of the groups in a log that has not come round yet. */
function groupLengths(log: Buffer): number[] {
  const lengths: number[] = [];
  for (let at = 0; ; at += lengths.at(-1)!) {
    const length = Number(log.readBigUInt64LE(at + 8));
    if (length === 0) return lengths;
    expect(Number(log.readBigUInt64LE(at))).toBe(lengths.length);
    lengths.push(length);
  }
}

describe.skipIf(findCompiler() === null)("the segment log", () => {
  test("has every message it acknowledged in its file, many to a group", async () => {
    const folder = folderOf();
    const server = await seglog.start(folder);
    onTestFinished(() => server.stop());
    const shape = { publishers: 20, window: 100, messages: MESSAGES };
    const result = await runLoad(server.target, shape, { warmup: 0, secs: 10 });
    expect(faultsOf(result)).toEqual([]);
    expect(result).toMatchObject({ sent: MESSAGES, acked: MESSAGES, received: MESSAGES });
    const lengths = groupLengths(readFileSync(join(folder, "segment.log")));
    const bytes = lengths.reduce((sum, length) => sum + length - HEAD_BYTES, 0);
    expect(bytes).toBeGreaterThan(MESSAGES * PAYLOAD_BYTES);
    expect(bytes).toBeLessThan(MESSAGES * (PAYLOAD_BYTES + 50));
    expect(lengths.length).toBeLessThan(MESSAGES / 2);
  });
});
