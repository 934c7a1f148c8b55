import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { findCompiler } from "./compile.ts";
import { faultsOf } from "./load.ts";
import { aedes } from "./peers/aedes.ts";
import { mosquitto } from "./peers/mosquitto.ts";
import { seglog } from "./peers/seglog.ts";
import { measureRounds } from "./rounds.ts";

// What is compared with must do its work: a comparator that delivers nothing is easily beaten.
describe.skipIf(findCompiler() === null)("a peer", () => {
  test.for([mosquitto, aedes, seglog])(
    "$name delivers every message of its publishers",
    async (peer, { skip }) => {
      if (peer.unavailable !== null) skip(peer.unavailable);
      const folder = mkdtempSync(join(tmpdir(), "bench-peer-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const { samples, failures } = await measureRounds(
        [peer],
        { loads: ["20x100", "200x1"], rounds: 1, times: { warmup: 0.1, secs: 0.3 }, folder },
        () => {},
      );
      expect(failures).toEqual([]);
      expect(samples.map(({ result }) => faultsOf(result))).toEqual([[], []]);
      expect(samples.every(({ result }) => result.received > 1000)).toBe(true);
    },
  );
});
