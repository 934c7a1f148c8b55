/** Real workers, from the build: `npx tsc` first. */
import { once } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import {
  EFFECT,
  EFFECT_HEADER,
  RESULT,
  RESULT_MAGIC,
  WATCH,
  type Fault,
  type LinkResult,
} from "../../../abi/index.ts";
import type { Recovery } from "../../../host/sandbox/batch-runner.ts";
import type { LogLine } from "../../../host/sandbox/guest-log.ts";
import { startSandbox, type Sandbox, type SandboxOptions } from "../../../host/sandbox/sandbox.ts";
import { decodeResult, makeBatch, summary, type RecordSpec } from "./batches.ts";
import { compileGuest, specOf, type SpecChanges } from "./guests.ts";
import { random } from "./seed.ts";

type Records = readonly (string | Uint8Array | RecordSpec)[];

/** The hub's end of a running sandbox. */
class Rig {
  readonly faults: Fault[] = [];
  readonly log: LogLine[] = [];
  readonly recoveries: Recovery[] = [];
  readonly exited: Promise<number>;
  readonly link: MessagePort;
  readonly #watch: Int32Array;
  #exit!: (code: number) => void;
  #seq = 0;
  sandbox!: Sandbox;

  private constructor(link: MessagePort, watch: SharedArrayBuffer) {
    this.link = link;
    this.#watch = new Int32Array(watch);
    this.exited = new Promise((resolve) => (this.#exit = resolve));
  }

  static async start(name: string, changes: SpecChanges = {}, options: SandboxOptions = {}): Promise<Rig> {
    const { port1, port2 } = new MessageChannel();
    const spec = specOf(await compileGuest(name), changes);
    const rig = new Rig(port1, spec.watch);
    const events = {
      onLog: (lines: readonly LogLine[]) => void rig.log.push(...lines),
      onFault: (fault: Fault) => void rig.faults.push(fault),
      onRecovery: (recovery: Recovery) => void rig.recoveries.push(recovery),
      onExit: (code: number) => rig.#exit(code),
    };
    rig.sandbox = await startSandbox(spec, port2, events, options);
    rigs.push(rig);
    return rig;
  }

  post(records: Records): void {
    const batch = makeBatch(++this.#seq, records);
    this.link.postMessage(batch, [batch.buffer]);
  }

  /** The guest is running. */
  async inside(): Promise<void> {
    while (Atomics.load(this.#watch, WATCH.CALL) % 2 === 0) await new Promise(setImmediate);
  }

  async run(records: Records): Promise<LinkResult> {
    this.post(records);
    const [result] = (await once(this.link, "message")) as [LinkResult];
    return result;
  }

  async say(...bodies: string[]): Promise<string[]> {
    return summary(await this.run(bodies), bodies);
  }
}

const rigs: Rig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) {
    await rig.sandbox.stop({ timeoutMs: 1000 });
    rig.link.close();
  }
});

describe("a sandbox", () => {
  test("answers batches in the order they were sent", async () => {
    const rig = await Rig.start("passes-everything");
    const answers: LinkResult[] = [];
    rig.link.on("message", (result: LinkResult) => answers.push(result));
    rig.post(["a"]);
    rig.post(["b", "c"]);
    while (answers.length < 2) await once(rig.link, "message");
    expect(answers.map((result) => result.seq)).toEqual([1, 2]);
    expect(summary(answers[1]!, ["b", "c"])).toEqual(["pass 0: b c"]);
  });

  test("goes on in the same worker after a poison record", async () => {
    const rig = await Rig.start("traps-on-poison");
    expect(await rig.say("a", "unreachable", "b")).toEqual([
      "pass 0: a",
      "dead unreachable: unreachable",
      "pass 0: b",
    ]);
    expect(await rig.say("c")).toEqual(["pass 0: c"]);
    expect(rig.faults).toEqual([]);
  });

  test("tells a guest the names of sources it was sent", async () => {
    const rig = await Rig.start("asks-the-host");
    rig.link.postMessage({ type: "sources", names: [[7, "thermo"]] });
    expect(await rig.say("source")).toEqual(["emit 0: thermo 6 -1"]);
  });

  test("ends with code 0 when it is stopped, and closes the link", async () => {
    const rig = await Rig.start("passes-everything");
    const closed = once(rig.link, "close");
    await rig.sandbox.stop({ timeoutMs: 1000 });
    expect(await rig.exited).toBe(0);
    await closed;
    expect(rig.faults).toEqual([]);
  });

  test("is terminated when it does not stop in time", async () => {
    const rig = await Rig.start("loops-forever", { limits: { recordDeadlineMs: 60_000 } });
    rig.post(["loop"]);
    await rig.inside();
    const started = performance.now();
    await rig.sandbox.stop({ timeoutMs: 50 });
    expect(performance.now() - started).toBeLessThan(2000);
    expect(await rig.exited).toBe(1);
  });
});

describe("starting", () => {
  test("a module that refuses in sp_init rejects with its fault", async () => {
    await expect(Rig.start("fails-to-initialise", { config: "refuse" })).rejects.toMatchObject({
      code: "SP_MODULE_START",
      message: 'module "guest": did not start: not initialised: sp_init refused with 7',
      fault: { kind: "init" },
    });
  });

  test("a module that never comes up is stopped at the time limit", async () => {
    const started = Rig.start("fails-to-initialise", { config: "loop" }, { readyTimeoutMs: 300 });
    await expect(started).rejects.toMatchObject({
      fault: { kind: "init", message: "not ready within 300 ms" },
    });
  });

  test("a module whose import is not granted does not start", async () => {
    const started = Rig.start("counts-in-kv", { grants: ["log"] });
    await expect(started).rejects.toMatchObject({ code: "SP_MODULE_GRANT_MISSING" });
  });
});

describe("worker-level faults", () => {
  test("an endless loop is stopped by CPU time, and the link closes", async () => {
    const rig = await Rig.start("loops-forever", { limits: { recordDeadlineMs: 150 } });
    expect(await rig.say("a")).toEqual(["pass 0: a"]);
    const closed = once(rig.link, "close");
    rig.post(["b", "loop"]);
    expect(await rig.exited).toBe(1);
    await closed;
    expect(rig.faults).toEqual([
      { kind: "deadline", message: "a call with 2 records took more than 150 ms of CPU time" },
    ]);
  });

  test("a module that does not come up again after a trap ends the worker, once", async () => {
    const rig = await Rig.start("fails-to-initialise", { config: "again" });
    rig.post(["poison"]);
    expect(await rig.exited).toBe(1);
    expect(rig.faults).toEqual([expect.objectContaining({ kind: "init" })]);
  });

  test("a batch that is not what it says is our own bug: the worker ends and says so", async () => {
    const rig = await Rig.start("passes-everything");
    const batch = makeBatch(1, ["a", "b"]);
    rig.link.postMessage({ ...batch, count: 3 }, [batch.buffer]);
    expect(await rig.exited).toBe(1);
    expect(rig.faults).toEqual([
      { kind: "trap", message: "sandbox worker failed: link: batch 1 is malformed at record 2 of 3" },
    ]);
  });

  test("results of random bytes never harm the worker: each is a dead letter of kind result, or is taken", async () => {
    const { next, seed } = random();
    const rig = await Rig.start("lies-about-lengths");
    const kinds = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const bodies = Array.from({ length: 8 }, () => lie(next));
      for (const effect of decodeResult(await rig.run(bodies)))
        kinds.add(
          effect.type === "dead" ? `${effect.reason.reason} ${effect.reason.fault?.kind}` : effect.type,
        );
    }
    expect([...kinds].sort(), `seed ${seed}`).toEqual(["fault result", "pass"]);
    expect(rig.faults).toEqual([]);
  });

  test("what an unpinned trap was is reported, and nothing ends", async () => {
    const rig = await Rig.start("traps-on-poison");
    expect((await rig.run(["a", "tired"])).poisoned).toBe(0);
    expect(await rig.say("b")).toEqual(["pass 0: b"]);
    expect(rig.recoveries).toEqual([
      { kind: "unpinned", fault: expect.objectContaining({ kind: "unreachable" }) },
    ]);
  });
});

/** A result that passes its record on, more or less; or a wild pointer; or noise. */
function lie(next: (bound: number) => number): Buffer {
  const words = [RESULT_MAGIC, RESULT.SIZE, RESULT.SIZE + 32, 1, 1, 0, 0, 0];
  words.push(32, EFFECT.PASS, EFFECT_HEADER.SIZE, 0, 0, 0, 0, 0);
  const bytes = Buffer.from(Uint32Array.from(words).buffer);
  const what = next(4);
  if (what === 1) bytes.writeInt32LE(next(2) === 0 ? -8 : next(1 << 22), next(words.length) * 4);
  if (what === 2) for (let i = 0; i < bytes.length; i++) bytes[i] = next(256);
  if (what === 3) {
    bytes.write("PTR!");
    bytes.writeInt32LE(next(2) === 0 ? -next(1000) : next(1 << 23), 4);
  }
  return bytes;
}

describe("streams and log", () => {
  test("stdout and stderr come as lines of the module's log", async () => {
    const rig = await Rig.start("prints-to-stdout");
    await rig.run(["1hello ", "1world\n", "2oops\n1 tail"]);
    await rig.run(["1x\n"]);
    await rig.sandbox.stop({ timeoutMs: 1000 });
    expect(rig.log.map(({ level, text }) => `${level} ${text}`)).toEqual([
      "info hello world",
      "warn oops",
      "info x",
      "warn 1 tail",
    ]);
  });

  test("lines beyond the rate are dropped, and counted in a line of their own", async () => {
    const rig = await Rig.start("floods-the-log", { limits: { logLinesPerSecond: 30 } });
    await rig.run(["5000"]);
    await rig.sandbox.stop({ timeoutMs: 1000 });
    expect(rig.log.filter(({ text }) => text === "line")).toHaveLength(30);
    expect(rig.log.at(-1)).toMatchObject({
      level: "warn",
      text: "4970 lines dropped: more than 30 a second",
    });
  });

  test("a poison record leaves a line with what it was and where", async () => {
    const { sourceMap } = await compileGuest("traps-on-poison");
    const rig = await Rig.start("traps-on-poison", { sourceMap });
    await rig.run(["unreachable"]);
    await rig.sandbox.stop({ timeoutMs: 1000 });
    expect(rig.log.map((line) => line.text)).toEqual([
      expect.stringMatching(
        /^message dead-lettered: unreachable: unreachable executed, in .*onMessage \(traps-on-poison\.ts:\d+:\d+\)$/,
      ),
    ]);
  });
});
