import { describe, expect, test } from "vitest";
import type { LinkResult } from "../../../abi/index.ts";
import { BatchRunner, type Recovery } from "../../../host/sandbox/batch-runner.ts";
import { GuestLog, type LogLine } from "../../../host/sandbox/guest-log.ts";
import type { HostState } from "../../../host/sandbox/host-calls.ts";
import { KvOverlay } from "../../../host/sandbox/kv-overlay.ts";
import { WorkerFault } from "../../../host/sandbox/trap.ts";
import { compileWasiLibrary, loadWasiLibrary, type WasiLibrary } from "../../../host/sandbox/wasi-library.ts";
import { WatchCell } from "../../../host/sandbox/watch-cell.ts";
import { decodeResult, makeBatch, NOW_WALL, summary, type RecordSpec } from "./batches.ts";
import { compileGuest, specOf, type SpecChanges } from "./guests.ts";

interface Bench {
  readonly runner: BatchRunner;
  readonly recoveries: Recovery[];
  readonly log: LogLine[];
  readonly host: HostState;
  readonly run: (records: readonly (string | RecordSpec)[]) => LinkResult;
  /** Runs messages and summarises what came of them. */
  readonly say: (...bodies: string[]) => string[];
}

/** A runner in this thread, on the named guest. */
async function bench(name: string, changes: SpecChanges = {}, library?: WasiLibrary): Promise<Bench> {
  const spec = specOf(await compileGuest(name), changes);
  const log: LogLine[] = [];
  const recoveries: Recovery[] = [];
  const host: HostState = {
    kv: new KvOverlay(spec.kv, spec.limits.kvBytesMax),
    log: new GuestLog(spec.limits.logLinesPerSecond, (lines) => log.push(...lines)),
    sources: new Map(),
    nowWall: 0,
  };
  const usesWasi = WebAssembly.Module.imports(spec.module).some((i) => i.module.startsWith("wasi"));
  const wasi = usesWasi ? (library ?? loadWasiLibrary(compileWasiLibrary())) : null;
  const context = { spec, host, watch: new WatchCell(spec.watch), wasi };
  const runner = new BatchRunner(context, (recovery) => recoveries.push(recovery));
  runner.prepare();
  let seq = 0;
  const run = (records: readonly (string | RecordSpec)[]): LinkResult =>
    runner.run(makeBatch(++seq, records));
  return { runner, recoveries, log, host, run, say: (...bodies) => summary(run(bodies), bodies) };
}

describe("passing on", () => {
  test("adjacent entries for one port become one run", async () => {
    const { say } = await bench("passes-everything");
    expect(say("a", "b", "c")).toEqual(["pass 0: a b c"]);
  });

  test("a result that fits comes back in the batch's own buffer", async () => {
    const { runner } = await bench("passes-everything");
    const batch = makeBatch(9, ["a"]);
    const result = runner.run(batch);
    expect(result.buffer).toBe(batch.buffer);
    expect(result).toMatchObject({ type: "result", seq: 9, poisoned: 0 });
  });

  test("an emitted frame carries the output's source, the batch's time, and one hop more than its cause", async () => {
    const { run } = await bench("traps-on-poison");
    const [emitted] = decodeResult(run([{ body: "emit", hops: 4 }]));
    expect(emitted).toMatchObject({
      type: "emit",
      port: 1,
      frames: [{ sourceId: 72, hops: 5, enqueuedWall: NOW_WALL, uid: "0".repeat(32) }],
    });
  });

  test("an emission that a timer caused has no hops", async () => {
    const { run } = await bench("passes-everything");
    const [emitted] = decodeResult(run([{ timer: 0 }]));
    expect(emitted).toMatchObject({ type: "emit", port: 0, frames: [{ sourceId: 71, hops: 0 }] });
  });

  test("a guest that leaves records is called again for them, effects in order", async () => {
    const { say } = await bench("stops-early");
    expect(say("a", "b", "c", "d", "e")).toEqual([
      "pass 0: a b",
      "emit 1: call 1",
      "pass 0: c d",
      "emit 1: call 2",
      "pass 0: e",
      "emit 1: call 3",
    ]);
  });

  test("a mailbox that refuses a batch gets it in parts, and nobody counts that as a fault", async () => {
    const { run, recoveries } = await bench("grows-past-limit");
    const result = run(Array.from({ length: 64 }, () => "x".repeat(100)));
    const frames = decodeResult(result).flatMap((effect) => (effect.type === "emit" ? effect.frames : []));
    expect(frames).toHaveLength(64);
    expect(recoveries).toEqual([]);
  });

  test("a lone record that the mailbox has no room for is dead-lettered as memory", async () => {
    const { run } = await bench("grows-past-limit");
    const effects = decodeResult(run([{ body: "x".repeat(5000) }, { body: "y" }]));
    expect(effects[0]).toMatchObject({ type: "dead", reason: { fault: { kind: "memory" } } });
    expect(effects[1]).toMatchObject({ type: "emit" });
  });

  test("a record that would cost the hub far more than a result may hold is dead-lettered", async () => {
    const { run } = await bench("counts-in-kv", { limits: { resultBytesMax: 10_000 } });
    const effects = decodeResult(run(["a", "fill:50000", "b"]));
    expect(effects.map((effect) => effect.type)).toEqual(["emit", "dead", "emit", "put", "put"]);
    expect(effects[1]).toMatchObject({ reason: { fault: { kind: "result" } } });
  });

  test("a batch that adds up to too much, record by record, is nobody's fault but ends the worker", async () => {
    const { run } = await bench("traps-on-poison", { limits: { resultBytesMax: 100 } });
    expect(thrown(() => run(Array.from({ length: 8 }, () => "unreachable")))).toMatchObject({
      kind: "result",
    });
  });

  test("memory grows to the declared maximum and no further", async () => {
    const { say } = await bench("grows-past-limit");
    expect(say("a")).toEqual(["emit 0: 64"]);
  });
});

describe("poison [J26]", () => {
  test.for([
    ["unreachable", "unreachable"],
    ["out of bounds", "memory_out_of_bounds"],
    ["division", "arithmetic"],
    ["recursion", "stack_exhausted"],
    ["abort", "abort"],
  ])(
    "a record that traps (%s) stands alone as %s, its neighbours are passed on in order",
    async ([body, kind]) => {
      const { say, recoveries } = await bench("traps-on-poison");
      expect(say("a", "b", body!, "c", "d")).toEqual(["pass 0: a b", `dead ${body}: ${kind}`, "pass 0: c d"]);
      expect(recoveries).toEqual([]);
    },
  );

  test("every poison record of a batch is found", async () => {
    const { run } = await bench("traps-on-poison");
    const bodies = Array.from({ length: 40 }, (_, i) => (i % 7 === 3 ? "unreachable" : `m${i}`));
    const result = run(bodies);
    const dead = decodeResult(result).filter((effect) => effect.type === "dead");
    expect(dead).toHaveLength(6);
    expect(result.poisoned).toBe(6);
    const passed = summary(result, bodies)
      .filter((line) => line.startsWith("pass"))
      .flatMap((line) => line.slice("pass 0: ".length).split(" "));
    expect(passed).toEqual(bodies.filter((body) => body !== "unreachable"));
  });

  test("a record is given up when it trapped twice, the last time in a new instance", async () => {
    const { run, say } = await bench("traps-on-poison", { incarnation: 5 });
    expect(say("instance")).toEqual(["emit 1: 5"]);
    run(["unreachable"]);
    expect(say("instance")).toEqual(["emit 1: 7"]);
  });

  test("a record that failed before in a new instance is given up at once", async () => {
    const { run, say } = await bench("traps-on-poison");
    run([{ body: "unreachable", attempt: 1 }]);
    expect(say("instance")).toEqual(["emit 1: 1"]);
  });

  test("a record that only fails after others is not given up", async () => {
    const { say } = await bench("traps-on-poison");
    const lines = say("tired", "a", "tired", "b", "tired");
    expect(lines.map((line) => line.replace("pass 0: ", "")).join(" ")).toBe("tired a tired b tired");
  });

  test("a batch that traps and whose records all pass when run again is reported as unpinned", async () => {
    const { run, recoveries } = await bench("traps-on-poison");
    const result = run(["a", "tired"]);
    expect(result.poisoned).toBe(0);
    expect(recoveries).toEqual([
      { kind: "unpinned", fault: expect.objectContaining({ kind: "unreachable" }) },
    ]);
  });

  test("a timer that traps is skipped and counted, and has no dead letter", async () => {
    const { run, recoveries, log } = await bench("traps-on-poison");
    const result = run([{ timer: 0 }, { timer: 1 }, { timer: 0 }]);
    expect(decodeResult(result).map((effect) => effect.type)).toEqual(["emit", "emit"]);
    expect(result.poisoned).toBe(0);
    expect(recoveries).toEqual([
      { kind: "control", fault: expect.objectContaining({ kind: "unreachable" }) },
    ]);
    expect(log.map((line) => line.text)).toContainEqual(
      expect.stringContaining("timer 1 skipped: unreachable"),
    );
  });

  test("a guest that exits is treated as one that traps", async () => {
    const { run } = await bench("exits");
    const bodies = ["a", "exit:3", "b"];
    const result = run(bodies);
    expect(summary(result, bodies)).toEqual(["pass 0: a", "dead exit:3: exit", "pass 0: b"]);
    expect(decodeResult(result)[1]).toMatchObject({ reason: { fault: { message: "proc_exit(3)" } } });
  });

  test("a verdict of the guest's own is a dead letter with its words", async () => {
    const { run } = await bench("traps-on-poison");
    const effects = decodeResult(run(["a", "dead letter"]));
    expect(effects[1]).toMatchObject({ type: "dead", reason: { reason: "verdict", text: "not a reading" } });
  });

  test("a retry verdict is an invalid result, since the host does not offer it", async () => {
    const { say } = await bench("traps-on-poison");
    expect(say("retry", "a")).toEqual(["dead retry: result", "pass 0: a"]);
  });

  test("a guest that cannot be initialised again after a trap ends the worker", async () => {
    const { run } = await bench("fails-to-initialise", { config: "again" });
    const fault = thrown(() => run(["a", "poison"]));
    expect(fault).toMatchObject({
      kind: "init",
      message: "not initialised again after a trap: sp_init refused with 9",
    });
  });
});

describe("faults", () => {
  test("a trap shows the guest's frames with file, line and column", async () => {
    const { sourceMap } = await compileGuest("traps-on-poison");
    const { run } = await bench("traps-on-poison", { sourceMap });
    const [dead] = decodeResult(run(["unreachable"]));
    const stack = dead?.type === "dead" ? dead.reason.fault?.stack : undefined;
    expect(stack).toMatch(
      /^traps-on-poison\/onMessage \(traps-on-poison\.ts:\d+:\d+\)\ntraps-on-poison\/sp_batch/,
    );
  });

  test("without a source map the frames show code offsets", async () => {
    const { run } = await bench("traps-on-poison");
    const [dead] = decodeResult(run(["unreachable"]));
    const stack = dead?.type === "dead" ? dead.reason.fault?.stack : undefined;
    expect(stack).toMatch(/^traps-on-poison\/onMessage \(wasm 0x[0-9a-f]+\)/);
  });

  test("an abort shows the guest's words and where it said them", async () => {
    const { run } = await bench("traps-on-poison");
    const [dead] = decodeResult(run(["abort"]));
    expect(dead).toMatchObject({
      reason: {
        fault: { message: expect.stringMatching(/^celsius is missing at traps-on-poison\.ts:\d+:\d+$/) },
      },
    });
  });

  test.for([
    ["refuse", "sp_init refused with 7"],
    ["trap", "unreachable executed"],
    ["feature", "takes up features 0x1 of word 0, its manifest asks for 0x0"],
  ])("a guest that fails in sp_init (%s) is an init fault", async ([config, message]) => {
    const fault = await bench("fails-to-initialise", { config }).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(WorkerFault);
    expect((fault as WorkerFault).fault).toMatchObject({
      kind: "init",
      message: `not initialised: ${message}`,
    });
  });

  test("a configuration that is too large is an init fault, not a trap in the guest", async () => {
    const fault = await bench("passes-everything", { config: "x".repeat(300_000) }).catch(
      (error: unknown) => error,
    );
    expect((fault as WorkerFault).fault).toMatchObject({ kind: "init" });
  });
});

describe("host functions", () => {
  test("clocks, random bytes and source names answer as the ABI says", async () => {
    const { host, say } = await bench("asks-the-host");
    host.sources.set(7, Buffer.from("thermo"));
    expect(say("now", "monotonic", "random", "source")).toEqual([
      `emit 0: ${NOW_WALL} forward 16 -5 thermo 6 -1`,
    ]);
  });

  test("log lines carry their level, and nothing that a terminal would obey", async () => {
    const { log, say } = await bench("asks-the-host");
    say("log");
    expect(log.map(({ level, text }) => `${level} ${text}`)).toEqual([
      "debug fine",
      "error bad\ufffd[31m\ufffdthing",
      "info odd",
      "info log: text outside memory",
      "info console",
      "debug traced 1 2.5",
    ]);
  });
});

describe("wasi", () => {
  test("files are bounded by the quota, with ENOSPC", async () => {
    const { say } = await bench("prints-to-stdout", { limits: { filesBytesMax: 64 * 1024 } });
    expect(say("fill")).toEqual(["emit 0: 63,51"]);
  });

  test("a library that breaks ends the worker, and no record is blamed", async () => {
    const broken = class {
      getImports = () => ({
        wasi_snapshot_preview1: {
          path_open: () => {
            throw new WebAssembly.RuntimeError("unreachable");
          },
        },
      });
      instantiate = (): void => {};
      free = (): void => {};
    };
    const library = { WASI: broken } as unknown as WasiLibrary;
    const { run } = await bench("prints-to-stdout", {}, library);
    expect(thrown(() => run(["1fine", "fill"]))).toMatchObject({
      kind: "wasi",
      message: "path_open broke the WASI provider: RuntimeError: unreachable",
    });
  });

  test("the clock needs its grant, also through WASI", async () => {
    const { say } = await bench("prints-to-stdout", { grants: ["log"] });
    expect(say("clock")).toEqual(["emit 0: 76"]);
    const granted = await bench("prints-to-stdout");
    expect(granted.say("clock")).toEqual(["emit 0: 0"]);
  });
});

describe("key-values [J2, A1]", () => {
  test("a batch reads its own writes, and leaves with the last value per key", async () => {
    const { say } = await bench("counts-in-kv");
    expect(say("a", "a", "b", "a")).toEqual(["emit 0: a=1 a=2 b=1 a=3", "put a: 3", "put b: 1"]);
    expect(say("a")).toEqual(["emit 0: a=4", "put a: 4"]);
  });

  test("what a record wrote before it trapped is not seen by anybody", async () => {
    const { say } = await bench("counts-in-kv");
    expect(say("a", "poison", "a", "scan:")).toEqual([
      "emit 0: a=1",
      "dead poison: unreachable",
      "emit 0: a=2 a",
      "put a: 2",
    ]);
  });

  test("the image that the hub committed is what the guest starts from", async () => {
    const { say } = await bench("counts-in-kv", { kv: [[Buffer.from("a"), Buffer.from([41, 0, 0, 0])]] });
    expect(say("a", "del:a", "del:a")).toEqual(["emit 0: a=42 0 -1", "del a"]);
  });

  test("writes that would pass the quota are refused with QUOTA", async () => {
    const { say } = await bench("counts-in-kv", { limits: { kvBytesMax: 10_000 } });
    expect(say("fill:9000", "fill:20000", "fill:70000")).toEqual(["emit 0: 0 -3 -3", "put fill: 9000"]);
  });

  test("writes outside a batch, and wild pointers, are refused with INVALID", async () => {
    const { say } = await bench("counts-in-kv");
    expect(say("init", "wild")).toEqual(["emit 0: -5 -5,-5"]);
  });
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error instanceof WorkerFault ? error.fault : error;
  }
  return null;
}
