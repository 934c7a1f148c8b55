/** A folder of its own for each test that asks, gone when the test is over. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "sandpiper-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
