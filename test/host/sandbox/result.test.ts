import { describe, expect, test } from "vitest";
import {
  align8,
  Block,
  EFFECT,
  EFFECT_HEADER,
  encodeProperties,
  ENTRY,
  FRAME,
  FRAME_VERSION,
  LINK_EFFECT,
  MESSAGE_BYTES_MAX,
  NO_CAUSE,
  PROPERTY,
  PROPERTY_ID,
  PROPERTY_TYPE,
  RESULT,
  RESULT_MAGIC,
  VERDICT,
} from "../../../abi/index.ts";
import { EffectSlab } from "../../../host/sandbox/effect-slab.ts";
import { ResultTranslator, type Records, type Translation } from "../../../host/sandbox/result.ts";
import { decodeResult, makeBatch, type DecodedEffect, type RecordSpec } from "./batches.ts";
import { random } from "./seed.ts";

const OUT_MAX = 300_000;
const SOURCES = [71, 72];
const AT = 64;

interface Effect {
  readonly kind: number;
  readonly port?: number;
  readonly cause?: number;
  readonly flags?: number;
  readonly payload?: Uint8Array;
}

const u32s = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);
const pass = (index: number, port = 0): Effect => ({
  kind: EFFECT.PASS,
  port,
  cause: index,
  payload: u32s(index, 0),
});
const verdict = (cause: number, what: number, reason = ""): Effect => ({
  kind: EFFECT.VERDICT,
  cause,
  payload: Buffer.concat([u32s(what, 0), Buffer.from(reason)]),
});

interface FrameParts {
  readonly sys?: Buffer;
  readonly app?: Buffer;
  readonly body?: Buffer;
  readonly ext?: number;
  readonly version?: number;
}

const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc(align8(bytes.length) - bytes.length)]);

function frame({
  sys = Buffer.alloc(0),
  app = Buffer.alloc(0),
  body = Buffer.from("x"),
  ext = 0,
  version = FRAME_VERSION,
}: FrameParts): Buffer {
  const sections = [sys, app, Buffer.alloc(ext), body];
  const header = Buffer.alloc(FRAME.SIZE, 0xaa);
  header[FRAME.VERSION] = version;
  header[FRAME.HOPS] = 200;
  header.writeUInt16LE(FRAME.SIZE, FRAME.HEADER);
  header.writeUInt32LE(FRAME.SIZE + sections.reduce((sum, s) => sum + align8(s.length), 0), FRAME.TOTAL);
  sections.forEach((s, i) => header.writeUInt32LE(s.length, FRAME.SYS + 4 * i));
  return Buffer.concat([header, ...sections.map(padded)]);
}
const emit = (parts: FrameParts = {}, port = 0, cause: number = NO_CAUSE): Effect => ({
  kind: EFFECT.EMIT,
  port,
  cause,
  payload: frame(parts),
});

function encodeEffect({
  kind,
  port = 0,
  cause = NO_CAUSE,
  flags = 0,
  payload = Buffer.alloc(0),
}: Effect): Buffer {
  const header = Buffer.alloc(EFFECT_HEADER.SIZE);
  header.writeUInt32LE(EFFECT_HEADER.SIZE + align8(payload.length), EFFECT_HEADER.TOTAL);
  header.writeUInt16LE(kind, EFFECT_HEADER.KIND);
  header.writeUInt16LE(flags, EFFECT_HEADER.FLAGS);
  header.writeUInt16LE(EFFECT_HEADER.SIZE, EFFECT_HEADER.HEADER);
  header.writeUInt16LE(port, EFFECT_HEADER.PORT);
  header.writeUInt32LE(cause, EFFECT_HEADER.CAUSE);
  return Buffer.concat([header, padded(Buffer.from(payload))]);
}

function encodeResult(effects: readonly Effect[], consumed: number): Buffer {
  const body = Buffer.concat(effects.map(encodeEffect));
  const header = Buffer.alloc(RESULT.SIZE);
  header.writeUInt32LE(RESULT_MAGIC, RESULT.MAGIC);
  header.writeUInt16LE(RESULT.SIZE, RESULT.HEADER);
  header.writeUInt32LE(RESULT.SIZE + body.length, RESULT.TOTAL);
  header.writeUInt32LE(effects.length, RESULT.COUNT);
  header.writeUInt32LE(consumed, RESULT.CONSUMED);
  return Buffer.concat([header, body]);
}

const RECORDS: readonly RecordSpec[] = [
  { body: "a" },
  { body: "bb", hops: 3 },
  { timer: 0 },
  { body: "dddd" },
];

function recordsOf(specs: readonly RecordSpec[]): Records {
  const batch = makeBatch(1, specs);
  const block = new Block(batch.buffer);
  const starts = new Uint32Array(batch.count + 1);
  for (let i = 0, at = 0; i <= batch.count; i++) {
    starts[i] = at;
    at += i < batch.count ? block.u32[at >> 2]! : 0;
  }
  return { block, starts, nowWall: batch.nowWall };
}

interface Translated {
  readonly translation: Translation;
  readonly effects: readonly DecodedEffect[];
  readonly slab: EffectSlab;
}

function translate(result: Uint8Array, ptr = AT, records = recordsOf(RECORDS)): Translated {
  const memory = Block.allocate(align8(AT + result.length));
  memory.u8.set(result, AT);
  const slab = new EffectSlab();
  const range = { first: 0, count: records.starts.length - 1 };
  const translation = new ResultTranslator(SOURCES, OUT_MAX, slab).translate(memory, ptr, records, range);
  const bytes = slab.length;
  const decode = (): DecodedEffect[] => {
    const copy = slab.block.buffer.slice(0, bytes);
    return decodeResult({ type: "result", seq: 1, bytes, buffer: copy, cpuUs: 0, poisoned: 0 });
  };
  return { translation, effects: "consumed" in translation ? decode() : [], slab };
}

describe("translating a result", () => {
  test("merges entries that are neighbours, on one port, whatever another port does between", () => {
    const { effects } = translate(
      encodeResult([pass(0), emit({}, 1), pass(1), emit({}, 1), pass(3), emit({}, 1)], 4),
    );
    expect(
      effects.map((e) =>
        e.type === "pass"
          ? `pass ${e.port} x${e.count}`
          : e.type === "emit"
            ? `emit ${e.port} x${e.frames.length}`
            : e.type,
      ),
    ).toEqual(["pass 0 x2", "emit 1 x2", "pass 0 x1", "emit 1 x1"]);
  });

  test("keeps the guest's order on each port", () => {
    const { effects } = translate(
      encodeResult([emit({ body: Buffer.from("1") }), pass(0), emit({ body: Buffer.from("2") }), pass(1)], 4),
    );
    expect(effects.map((e) => e.type)).toEqual(["emit", "pass", "emit", "pass"]);
  });

  test("passes one entry to a port as often as the guest says", () => {
    const { effects } = translate(encodeResult([pass(0), pass(0)], 4));
    expect(effects).toHaveLength(2);
  });

  test("writes what is the host's in a frame's header", () => {
    const { effects } = translate(encodeResult([emit({}, 1, 1), emit({}, 1, 2), emit({}, 1)], 4));
    const frames = effects[0]?.type === "emit" ? effects[0].frames : [];
    expect(frames.map((f) => [f.sourceId, f.hops, f.uid])).toEqual([
      [72, 4, "0".repeat(32)],
      [72, 0, "0".repeat(32)],
      [72, 0, "0".repeat(32)],
    ]);
  });

  test("keeps typed properties and bodies as they are", () => {
    const app = encodeProperties([
      { name: "level", value: "h\u00f6ch" },
      { name: "flag", value: null },
    ]);
    const sys = encodeProperties([{ id: PROPERTY_ID.CONTENT_TYPE, value: "text/plain" }]);
    const { effects } = translate(encodeResult([emit({ sys, app, body: Buffer.from("celsius") })], 4));
    const [made] = effects[0]?.type === "emit" ? effects[0].frames : [];
    expect(made?.properties.map((p) => [p.name, p.value])).toEqual([
      ["level", "h\u00f6ch"],
      ["flag", null],
    ]);
    expect(made?.systemProperties.map((p) => [p.name, p.value])).toEqual([["contentType", "text/plain"]]);
    expect(Buffer.from(made!.body).toString()).toBe("celsius");
  });

  test("takes a dead letter's words, without padding and without control characters", () => {
    const { effects } = translate(
      encodeResult([verdict(0, VERDICT.OK), verdict(1, VERDICT.DEAD_LETTER, "bad\u0007")], 4),
    );
    expect(effects).toEqual([
      expect.objectContaining({ type: "dead", reason: { reason: "verdict", text: "bad\ufffd" } }),
    ]);
  });

  test("skips a kind it does not know when the guest allows it", () => {
    const { translation, effects } = translate(encodeResult([{ kind: 99, flags: 1 }, pass(0)], 4));
    expect(translation).toEqual({ consumed: 4 });
    expect(effects).toHaveLength(1);
  });

  test("counts what is passed on, since the hub will copy it", () => {
    const { slab } = translate(encodeResult([pass(0), pass(0, 1)], 4));
    const { starts } = recordsOf(RECORDS);
    expect(slab.passedBytes).toBe(2 * starts[1]!);
  });
});

/** A result with one field overwritten. */
function patched(effects: readonly Effect[], at: number, value: number, size: 2 | 4 = 4): Buffer {
  const bytes = encodeResult(effects, 4);
  bytes.writeUIntLE(value, at, size);
  return bytes;
}
const IN_EFFECT = RESULT.SIZE;
const property = (
  id: number,
  type: number,
  name: string,
  value: Buffer,
  valueLength = value.length,
): Buffer => {
  const head = Buffer.alloc(PROPERTY.SIZE);
  head.writeUInt16LE(id, PROPERTY.NAME_ID);
  head[PROPERTY.TYPE] = type;
  head.writeUInt16LE(name.length, PROPERTY.NAME_LEN);
  head.writeUInt32LE(valueLength, PROPERTY.VALUE_LEN);
  const bytes = Buffer.concat([head, Buffer.from(name), value]);
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
};
/** Its name reaches four bytes beyond the section, and its lengths sum to 72 in 32 bits. */
const wrapping = (): Buffer => {
  const bytes = property(0, PROPERTY_TYPE.UTF8, "n".repeat(60), Buffer.alloc(0), 0xfffffffc);
  bytes.writeUInt16LE(64, PROPERTY.NAME_LEN);
  return bytes;
};
const float = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
};

describe("an invalid result is void as a whole", () => {
  test.for<[string, Buffer, string]>([
    ["wrong magic", patched([], RESULT.MAGIC, 1), "result: wrong magic"],
    ["a short header", patched([], RESULT.HEADER, 24, 2), "result: header length 24"],
    ["a total beyond memory", patched([], RESULT.TOTAL, 4096), "result: reaches beyond memory"],
    [
      "a total beyond the limit",
      patched([], RESULT.TOTAL, OUT_MAX + 8),
      "result: 300008 bytes, more than 300000",
    ],
    ["more consumed than given", patched([], RESULT.CONSUMED, 5), "result: consumed 5 records of 4"],
    ["nothing consumed", patched([], RESULT.CONSUMED, 0), "result: consumed no record"],
    ["a count too high", patched([pass(0)], RESULT.COUNT, 2), "effect 1: reaches beyond the result"],
    [
      "a count too low",
      patched([pass(0), pass(1)], RESULT.COUNT, 1),
      "result: 32 bytes behind its last effect",
    ],
    ["an odd effect length", patched([pass(0)], IN_EFFECT, 30), "effect 0: length 30"],
    ["an effect of no length", patched([pass(0)], IN_EFFECT, 0), "effect 0: header length 24"],
    [
      "a long effect header",
      patched([pass(0)], IN_EFFECT + EFFECT_HEADER.HEADER, 40, 2),
      "effect 0: header length 40",
    ],
    ["a port that is not declared", encodeResult([pass(0, 2)], 4), "effect 0: port 2 is not declared"],
    [
      "a cause that was not consumed",
      encodeResult([{ ...emit(), cause: 1 }], 1),
      "effect 0: cause 1 of 1 consumed records",
    ],
    [
      "a pass of what was not consumed",
      encodeResult([{ ...pass(1), cause: 0 }], 1),
      "effect 0: pass: record 1 of 1 consumed",
    ],
    ["a pass of a timer", encodeResult([pass(2)], 4), "effect 0: pass: record 2 is not a message"],
    [
      "a pass with more to it",
      encodeResult([{ ...pass(0), payload: Buffer.alloc(16) }], 4),
      "effect 0: pass: 16 bytes, expected 8",
    ],
    [
      "a key-value write",
      encodeResult([{ kind: EFFECT.KV_PUT }], 4),
      "effect 0: kind 4 is not a guest's to write",
    ],
    [
      "an effect of the link",
      encodeResult([{ kind: LINK_EFFECT.EMIT_RUN }], 4),
      "effect 0: kind 32770 is not a guest's to write",
    ],
    [
      "a retry",
      encodeResult([verdict(0, VERDICT.RETRY)], 4),
      "effect 0: verdict: 1 is not offered by this host",
    ],
    [
      "a verdict on no record",
      encodeResult([{ ...verdict(0, 2), cause: NO_CAUSE }], 4),
      "effect 0: verdict: without a record",
    ],
    [
      "a verdict on a timer",
      encodeResult([verdict(2, 2)], 4),
      "effect 0: verdict: record 2 is not a message",
    ],
    [
      "two verdicts on one record",
      encodeResult([verdict(0, 2), verdict(0, 2)], 4),
      "effect 1: verdict: second one for record 0",
    ],
    ["a frame of another version", encodeResult([emit({ version: 2 })], 4), "effect 0: frame: version 2"],
    [
      "a frame with extensions",
      encodeResult([emit({ ext: 8 })], 4),
      "effect 0: frame: extensions are the host's to write",
    ],
    [
      "a frame that is too large",
      encodeResult([emit({ body: Buffer.alloc(MESSAGE_BYTES_MAX + 1) })], 4),
      "effect 0: frame: message of 262145 bytes, more than 262144",
    ],
    [
      "a frame shorter than its effect",
      encodeResult([{ ...emit(), payload: Buffer.concat([frame({}), Buffer.alloc(8)]) }], 4),
      "effect 0: frame: length differs from the effect's",
    ],
    [
      "a system property by name",
      encodeResult([emit({ sys: property(0, 1, "connectionDeviceId", Buffer.from("x")) })], 4),
      "effect 0: frame: system property 0 is not a guest's to write",
    ],
    [
      "an unknown system property",
      encodeResult([emit({ sys: property(99, 1, "", Buffer.from("x")) })], 4),
      "effect 0: frame: system property 99 is not a guest's to write",
    ],
    [
      "a property length that wraps around",
      encodeResult([emit({ app: wrapping() })], 4),
      "effect 0: frame: malformed property",
    ],
    [
      "a time that is none",
      encodeResult([emit({ app: property(0, PROPERTY_TYPE.TIME, "t", float(Number.NaN)) })], 4),
      "effect 0: frame: malformed property value",
    ],
    [
      "text that is not utf-8",
      encodeResult([emit({ app: property(0, PROPERTY_TYPE.UTF8, "t", Buffer.from([0xff])) })], 4),
      "effect 0: frame: malformed property value",
    ],
    [
      "an unknown property type",
      encodeResult([emit({ app: property(0, 77, "t", Buffer.from([1])) })], 4),
      "effect 0: frame: malformed property value",
    ],
  ])("%s", ([, bytes, invalid]) => {
    expect(translate(bytes).translation).toEqual({ invalid });
  });

  test.for([
    [4, "result: pointer 4 is not 8-aligned"],
    [1 << 20, "result: pointer 1048576 is outside memory"],
    [-8, "result: pointer 4294967288 is outside memory"],
  ] as const)("a pointer that leads nowhere (%i)", ([ptr, invalid]) => {
    expect(translate(encodeResult([], 4), ptr).translation).toEqual({ invalid });
  });

  test("whatever the bytes are, the outcome is a refusal or effects that the hub can take", () => {
    const { next, seed } = random();
    const app = encodeProperties([{ name: "level", value: "high" }]);
    const valid = encodeResult(
      [pass(0), emit({ app }, 1, 1), pass(1, 1), verdict(3, 2, "why"), emit({ app }), pass(3)],
      4,
    );
    const records = recordsOf(RECORDS);
    const starts = new Set(records.starts);
    let accepted = 0;
    for (let round = 0; round < 6_000; round++) {
      const bytes = Buffer.from(valid);
      for (let k = next(4); k >= 0; k--) mangle(bytes, next);
      const label = `seed ${seed}, round ${round}`;
      const { translation, effects } = translate(bytes, AT, records);
      if ("invalid" in translation) continue;
      accepted++;
      expect(translation.consumed, label).toBeLessThanOrEqual(4);
      for (const effect of effects) {
        if (effect.type === "pass" || effect.type === "dead")
          expect(starts.has(effect.from) && starts.has(effect.to) && effect.from < effect.to, label).toBe(
            true,
          );
        if ("port" in effect) expect(effect.port, label).toBeLessThan(SOURCES.length);
        if (effect.type === "emit")
          for (const f of effect.frames) expect(SOURCES, label).toContain(f.sourceId);
      }
    }
    expect(accepted).toBeGreaterThan(30);
  });
});

/** Changes one byte, one word to something interesting, or cuts the end off. */
function mangle(bytes: Buffer, next: (bound: number) => number): void {
  const word = next(bytes.length >> 2) * 4;
  const interesting = [0, 1, 2, 7, 8, 24, 32, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff];
  if (next(2) === 0) bytes[next(bytes.length)] = next(256);
  else bytes.writeUInt32LE(interesting[next(interesting.length)]!, word);
  if (next(20) === 0) bytes.fill(next(256), next(bytes.length));
}

test("an entry's header is as long as the ABI says, which the batches here rely on", () => {
  const { block, starts } = recordsOf(RECORDS);
  expect(block.u16[(starts[1]! + ENTRY.HEADER) >> 1]).toBe(ENTRY.SIZE);
});
