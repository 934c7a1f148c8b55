import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { findCompiler } from "./compile.ts";
import { writeClients } from "./credentials.ts";
import { startGateway } from "./gateway.ts";
import { runLoad } from "./load.ts";
import type { RunningPeer } from "./peer.ts";
import { seglog } from "./peers/seglog.ts";
import { SlowDisk } from "./slow-disk.ts";

const SLOW_MS = 20;
/** A module is compiled, and a gateway started, on a machine that may be busy. */
const PATIENCE = { timeout: 60_000 };

/** With one device, where the peer of the comparisons has two hundred to register on the slow disk. */
async function gateway(folder: string, env: NodeJS.ProcessEnv): Promise<RunningPeer> {
  const started = await startGateway(folder, { devices: 1, env });
  const { port, pid, devices, sink } = started;
  const publisherIdentities = writeClients(join(folder, "publishers"), devices);
  const subscriberIdentities = writeClients(join(folder, "subscribers"), [sink]);
  return { target: { port, pid, publisherIdentities, subscriberIdentities }, stop: () => started.stop() };
}

const SERVERS = [
  ["the segment log", (folder: string, env: NodeJS.ProcessEnv) => seglog.start(folder, env)],
  ["the gateway", gateway],
] as const;

// Whatever call it is that makes their files durable: one that passed by would make a slow disk that is none.
describe.skipIf(findCompiler() === null)("on a slow disk", () => {
  test.for(SERVERS)("%s acknowledges nothing before the disk has it", PATIENCE, async ([, start]) => {
    const folder = mkdtempSync(join(tmpdir(), "bench-slow-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    using slow = new SlowDisk(folder, SLOW_MS);
    const server = await start(folder, slow.env);
    onTestFinished(() => server.stop());
    const shape = { publishers: 1, window: 1, messages: 5 };
    const { ackMicros } = await runLoad(server.target, shape, { warmup: 0, secs: 10 });
    // The first may be sent before the measured time; a bucket of the histogram is 1/64 wide.
    expect(ackMicros.count).toBeGreaterThanOrEqual(4);
    expect(ackMicros.p50).toBeGreaterThan(SLOW_MS * 1000 * (1 - 1 / 64));
  });
});
