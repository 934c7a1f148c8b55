/** What a sandbox makes of records and effects of features: from a module of the SDK, from one that lies, and from one of ABI 1.0. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import {
  Block,
  controlEntry,
  EFFECT,
  EFFECT_HEADER,
  FEATURE,
  frameTotal,
  decodeFrame,
  LINK_EFFECT,
  RECORD,
  RESULT,
  RESULT_MAGIC,
  TIMER_TICK,
  type LinkResult,
} from "../../../abi/index.ts";
import { admitModule } from "../../../host/sandbox/admission.ts";
import { BatchRunner, type Recovery } from "../../../host/sandbox/batch-runner.ts";
import { EffectSlab } from "../../../host/sandbox/effect-slab.ts";
import { GuestLog, type LogLine } from "../../../host/sandbox/guest-log.ts";
import { KvOverlay } from "../../../host/sandbox/kv-overlay.ts";
import { decodeModuleManifest } from "../../../host/sandbox/manifest.ts";
import { ResultTranslator } from "../../../host/sandbox/result.ts";
import { WatchCell } from "../../../host/sandbox/watch-cell.ts";
import { methodReplyOf } from "../../../hub/modules/feature-effects.ts";
import { desiredRecord, methodRecord } from "../../../hub/modules/feature-records.ts";
import { compileModule } from "../../../toolchain/compile/compile.ts";
import { FEATURE_EFFECTS, RECORD_METHOD } from "../../abi/feature-vectors.ts";
import { bytesOf } from "../../abi/hex-file.ts";
import { decodeResult, makeBatch } from "./batches.ts";
import { specOf } from "./guests.ts";

const FIXTURE = new URL("../../fixtures/modules-as/services.ts", import.meta.url);
const STORED = new URL("../../golden/modules/abi-1-0.wasm", import.meta.url);
const GRANTS = ["log", "kv", "clock", "random", "twin", "invoke"] as const;
/** Compiling, on a busy machine. */
const COMPILE_MS_MAX = 120_000;

let services: Uint8Array;
beforeAll(async () => {
  const source = readFileSync(FIXTURE, "utf8");
  services = (await compileModule({ source, name: "services", release: false })).wasm;
}, COMPILE_MS_MAX);

function runnerOf(wasm: Uint8Array, config: unknown = {}) {
  const { module, manifest, grants } = admitModule(wasm, { grants: GRANTS, memoryBytesMax: 2 ** 24 });
  const spec = {
    ...specOf({ wasm, sourceMap: "" }),
    module,
    grants,
    methods: manifest.methods ?? [],
    config,
  };
  const outputSources = manifest.outputs.map((_, port) => 71 + port);
  const log: LogLine[] = [];
  const recoveries: Recovery[] = [];
  const host = {
    kv: new KvOverlay([], 2 ** 20),
    log: new GuestLog(100, (lines) => log.push(...lines)),
    sources: new Map([[7, Buffer.from("press1")]]),
    nowWall: 0,
  };
  const { sourceMap: _, ...withoutMap } = spec;
  const context = {
    spec: { ...withoutMap, outputSources },
    host,
    watch: new WatchCell(spec.watch),
    wasi: null,
  };
  const runner = new BatchRunner(context, (recovery) => recoveries.push(recovery));
  runner.prepare();
  let seq = 0;
  return {
    log,
    recoveries,
    messages: (...bodies: string[]): LinkResult => runner.run(makeBatch(++seq, bodies)),
    control: (entry: ArrayBuffer): LinkResult =>
      runner.run({
        type: "batch",
        seq: ++seq,
        count: 1,
        bytes: entry.byteLength,
        nowWall: 0,
        nowPowered: 0,
        buffer: entry,
      }),
  };
}

const effectsOf = ({ buffer, bytes }: LinkResult): { kind: number; block: Block; at: number }[] => {
  const block = new Block(buffer);
  const found = [];
  for (let at = 0; at < bytes; at += block.u32[at >> 2]!) {
    found.push({ kind: block.u16[(at + EFFECT_HEADER.KIND) >> 1]!, block, at });
  }
  return found;
};
const frameTexts = (result: LinkResult): string[] =>
  effectsOf(result)
    .filter(({ kind }) => kind === LINK_EFFECT.EMIT_RUN)
    .flatMap(({ block, at }) => {
      const texts: string[] = [];
      let frame = at + EFFECT_HEADER.SIZE + 8;
      for (let i = 0; i < block.u32[(at + EFFECT_HEADER.SIZE) >> 2]!; i++) {
        texts.push(Buffer.from(decodeFrame(block, frame).body).toString());
        frame += frameTotal(block, frame);
      }
      return texts;
    });
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const method = (name: string, request: unknown): ArrayBuffer =>
  methodRecord(9, Buffer.from(name), json(request));

describe("a method", () => {
  test("that traps is answered with 500 and the reason; the module goes on, and nothing is dead-lettered [J26 J32]", () => {
    const { control, messages, recoveries } = runnerOf(services);
    messages("x");
    const result = control(method("fail", {}));
    const [reply, ...others] = effectsOf(result);
    const { corr, status, answer } = methodReplyOf(reply!.block, reply!.at);
    expect([corr, status, others]).toEqual([9, 500, []]);
    expect(JSON.parse(answer.toString())).toEqual({
      message: expect.stringMatching(/^abort: cannot do this: fail at .*index\.ts:\d+:\d+/),
    });
    expect(result.poisoned).toBe(0);
    expect(recoveries).toMatchObject([{ kind: "control", fault: { kind: "abort" } }]);
    const [again] = effectsOf(control(method("count", null)));
    expect(methodReplyOf(again!.block, again!.at).answer.toString()).toBe('{"seen":1}');
  });
});

describe("desired properties", () => {
  test("hold for instances made later, whatever became of their record", () => {
    const { control, messages, log } = runnerOf(services, { greeting: "old" });
    const change = (greeting: string): LinkResult =>
      control(desiredRecord(2, json({ greeting }), json({ greeting })));
    expect(frameTexts(change("new"))).toEqual(['{"patch":"{\\"greeting\\":\\"new\\"}","now":"new"}']);
    expect(effectsOf(change("trap"))).toEqual([]);
    expect(log.map(({ text }) => text)).toContainEqual(
      expect.stringMatching(
        /^handler of desired properties failed, they hold all the same: abort: cannot stand/,
      ),
    );
    const sent = decodeResult({ ...messages("x"), ...onlyEmits(messages("y")) });
    expect(sent).toMatchObject([{ frames: [{ properties: [{ name: "greeting", value: "trap" }] }] }]);
  });

  /** `decodeResult` of the older tests knows no reports. */
  function onlyEmits(result: LinkResult): LinkResult {
    const emits = effectsOf(result).filter(({ kind }) => kind === LINK_EFFECT.EMIT_RUN);
    const parts = emits.map(({ block, at }) => block.u8.subarray(at, at + block.u32[at >> 2]!));
    const { buffer, u8 } = Block.from(Buffer.concat(parts));
    return { ...result, buffer, bytes: u8.length };
  }
});

describe("a result that lies", () => {
  const ALL = FEATURE.TWIN | FEATURE.METHODS | FEATURE.INVOKE;
  const AT = 64;
  const METHOD_ENTRY = bytesOf(RECORD_METHOD);

  /** What a module with the features is told when it answers a METHOD record with these effects. */
  function judge(effects: Buffer, count: number, features = ALL): string | number {
    const header = Buffer.alloc(RESULT.SIZE);
    header.writeUInt32LE(RESULT_MAGIC, RESULT.MAGIC);
    header.writeUInt16LE(RESULT.SIZE, RESULT.HEADER);
    header.writeUInt32LE(RESULT.SIZE + effects.length, RESULT.TOTAL);
    header.writeUInt32LE(count, RESULT.COUNT);
    header.writeUInt32LE(1, RESULT.CONSUMED);
    const memory = Block.from(Buffer.concat([Buffer.alloc(AT), header, effects]));
    const records = {
      block: Block.from(METHOD_ENTRY),
      starts: Uint32Array.from([0, METHOD_ENTRY.length]),
      nowWall: 0,
    };
    const translator = new ResultTranslator([], 2 ** 20, new EffectSlab(), features);
    const translation = translator.translate(memory, AT, records, { first: 0, count: 1 });
    return "invalid" in translation ? translation.invalid : translation.consumed;
  }
  const whole = bytesOf(FEATURE_EFFECTS);
  const report = whole.subarray(0, whole.readUInt32LE(0));
  const reply = whole.subarray(report.length, report.length + whole.readUInt32LE(report.length));
  const invoke = whole.subarray(report.length + reply.length);
  const changed = (effect: Buffer, at: number, value: number): Buffer => {
    const copy = Buffer.from(effect);
    copy.writeUInt32LE(value, at);
    return copy;
  };

  test("is void, and what is sound is not", () => {
    expect(judge(whole, 3)).toBe(1);
  });

  test.for<[string, Buffer, number, string, number?]>([
    [
      "a report without the feature",
      report,
      1,
      `kind ${EFFECT.REPORT} is not a guest's to write`,
      FEATURE.INVOKE,
    ],
    [
      "a reply without the feature",
      reply,
      1,
      `kind ${EFFECT.METHOD_REPLY} is not a guest's to write`,
      FEATURE.TWIN,
    ],
    ["an invocation without the feature", invoke, 1, `kind ${EFFECT.INVOKE} is not a guest's to write`, 3],
    ["a reply to another call", changed(reply, 16, 8), 1, "its correlation is not that of the method"],
    ["a reply to nothing", changed(reply, 12, 0xffffffff), 1, "method reply: without a record"],
    ["a second reply", Buffer.concat([reply, reply]), 2, "method reply: second one for record 0"],
    ["a reply that is longer than its effect", changed(reply, 28, 9), 1, "its lengths do not sum up"],
    ["a report of four gigabytes", changed(report, 24, 0xffffffff), 1, "its lengths do not sum up"],
    [
      "an invocation of four times four gigabytes",
      changed(invoke, 36, 0xfffffff0),
      1,
      "lengths do not sum up",
    ],
    ["a report with bytes behind it", changed(report, 24, 1), 1, "its lengths do not sum up"],
  ])("%s", ([, effects, count, why, features = ALL]) => {
    expect(judge(effects, count, features)).toContain(why);
  });
});

describe("grants", () => {
  test("that a deployment does not give refuse a module by name, before anything runs", () => {
    const policy = { grants: ["log", "kv", "twin"] as const, memoryBytesMax: 2 ** 24 };
    expect(() => admitModule(services, policy)).toThrow(
      'needs the capability "invoke", which is not granted',
    );
  });
});

describe("a module of ABI 1.0, as it was built then", () => {
  test("is admitted, and does what it did: messages, timers, poison, verdicts, key-values, configuration", () => {
    const wasm = readFileSync(STORED);
    expect(decodeModuleManifest(wasm)).toMatchObject({ abi: { major: 1, minor: 0 }, inputs: ["in"] });
    const { messages, control, log } = runnerOf(wasm, { greeting: "moin" });
    const result = messages("a", "poison", "reject", "b");
    expect(decodeResult(result).map(({ type }) => type)).toEqual([
      "pass",
      "emit",
      "dead",
      "dead",
      "pass",
      "emit",
      "put",
    ]);
    expect(result.poisoned).toBe(1);
    expect(frameTexts(result)).toEqual(['{"seen":1,"greeting":"moin"}', '{"seen":2,"greeting":"moin"}']);
    control(controlEntry(RECORD.TIMER, TIMER_TICK.SIZE).buffer);
    expect(log.map(({ text }) => text)).toContain("first tick");
  });
});
