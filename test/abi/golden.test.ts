import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  BATCH,
  BATCH_MAGIC,
  Block,
  EFFECT,
  EFFECT_HEADER,
  ENTRY,
  FRAME,
  INIT,
  INIT_MAGIC,
  NO_CAUSE,
  RECORD,
  RESULT,
  RESULT_MAGIC,
  VERDICT,
  decodeFrame,
  decodeProperties,
  decodeSignatureFile,
  digestOf,
  encodeProperties,
  encodeSignatureFile,
  entryKind,
  entryOffset,
  entryPort,
  entryPriority,
  entryTotal,
  frameFault,
  frameLength,
  keyId,
  sections,
  signDigest,
  verifyDigest,
  writeEntry,
  writeFrame,
} from "../../abi/index.ts";
import { bytesOf, keepVector, readVector } from "./hex-file.ts";
import { VECTORS } from "./vectors.ts";

test.for(Object.keys(VECTORS))("golden vector %s is what the specification says, byte by byte", (name) => {
  const [title, fields] = VECTORS[name]!;
  keepVector(name, title, fields);
  expect(readVector(name).toString("hex")).toBe(bytesOf(fields).toString("hex"));
});

const SYSTEM = [
  { id: 1, value: "m-1" },
  { id: 6, value: "application/json" },
  { id: 7, value: "utf-8" },
];
const APPLICATION = [
  { name: "site", value: "north" },
  { name: "grün", value: "ö😀" },
  { name: "flag", value: null },
  { name: "", value: "" },
];

describe("properties", () => {
  test("are encoded as the vectors say", () => {
    expect(encodeProperties(SYSTEM)).toEqual(readVector("properties-system"));
    expect(encodeProperties(APPLICATION)).toEqual(readVector("properties-application"));
  });

  test("of every type are decoded to the text that route queries see", () => {
    const bytes = readVector("properties-typed");
    const found = decodeProperties(Block.from(bytes), 0, bytes.length);
    expect(Object.fromEntries(found.map(({ name, value }) => [name, value]))).toEqual({
      bool: "true",
      i64: "-5",
      f64: "21.5",
      time: "2020-09-13T12:26:40.000Z",
      binary: "AQID/w==",
      uuid: "00112233-4455-6677-8899-aabbccddeeff",
      u64: "18446744073709551615",
    });
  });
});

describe("a frame", () => {
  test("is encoded as the vectors say, into memory that held something else", () => {
    for (const [name, sys, app, body] of [
      ["frame-empty", [], [], ""],
      ["frame-full", SYSTEM, APPLICATION, '{"celsius":41}'],
    ] as const) {
      const parts = sections(encodeProperties(sys), encodeProperties(app));
      const expected = readVector(name);
      const block = Block.allocate(frameLength(parts, body.length) + 16);
      block.u8.fill(0xee);
      const { sourceId, enqueuedWall } = decodeFrame(Block.from(expected), 0);
      const end = writeFrame(block, 8, sourceId, enqueuedWall, parts, Buffer.from(body), 0, body.length);
      expected.copy(block.u8, 8 + FRAME.UID, FRAME.UID, FRAME.UID + 16); // the hub's to write
      expect(block.u8.subarray(8, end).toString("hex")).toBe(expected.toString("hex"));
    }
  });

  test("is decoded, and found sound, whatever the hub put into it", () => {
    const full = Block.from(readVector("frame-full"));
    expect(frameFault(full, 0, full.u8.length)).toBeNull();
    expect(decodeFrame(full, 0)).toMatchObject({
      uid: "04030201050000000201000001000000",
      sourceId: 7,
      hops: 0,
      enqueuedWall: 1_600_000_000_000.5,
      systemProperties: SYSTEM,
      properties: APPLICATION,
    });
    const extended = Block.from(readVector("frame-extended"));
    expect(frameFault(extended, 0, extended.u8.length)).toBeNull();
    const { sourceId, hops, properties, body } = decodeFrame(extended, 0);
    expect({ sourceId, hops, properties: properties.length }).toEqual({
      sourceId: 4294967294,
      hops: 3,
      properties: 7,
    });
    expect(Buffer.from(body).toString()).toBe("body");
  });
});

test("an entry is written and read as its vector says", () => {
  const expected = readVector("entry");
  const block = Block.allocate(expected.length);
  expected.copy(block.u8, ENTRY.SIZE, ENTRY.SIZE);
  writeEntry(block, 0, FRAME.SIZE, 2, 2 ** 32 + 5, 9, Infinity);
  expect(block.u8.toString("hex")).toBe(expected.toString("hex"));
  expect(
    [entryTotal, entryKind, entryPort, entryOffset, entryPriority].map((read) => read(block, 0)),
  ).toEqual([88, RECORD.MESSAGE, 2, 2 ** 32 + 5, 9]);
});

test("the init record has its fields where the layout says", () => {
  const { u8, u16, u32 } = Block.from(readVector("init"));
  const config = u8.toString("utf8", INIT.SIZE, INIT.SIZE + u32[INIT.CONFIG_LEN >> 2]!);
  expect([
    u32[INIT.MAGIC >> 2],
    u16[INIT.HEADER >> 1],
    u32[INIT.RECORD_MAX >> 2],
    u32[INIT.RESULT_MAX >> 2],
  ]).toEqual([INIT_MAGIC, INIT.SIZE, 270_336, 1_048_576]);
  expect([u32[INIT.CONFIG_VERSION >> 2], config]).toEqual([4, '{"threshold":40}']);
});

test("a batch has its fields where the layout says, and its records follow by their lengths", () => {
  const block = Block.from(readVector("batch"));
  const { u16, u32, f64 } = block;
  expect(u32[BATCH.MAGIC >> 2]).toBe(BATCH_MAGIC);
  expect(u32[BATCH.TOTAL >> 2]).toBe(block.u8.length);
  expect([u32[BATCH.COUNT >> 2], u32[BATCH.SEQ_LO >> 2], u32[BATCH.SEQ_HI >> 2]]).toEqual([3, 2, 0]);
  expect([f64[BATCH.NOW_WALL >> 3], f64[BATCH.NOW_POWERED >> 3]]).toEqual([1_600_000_000_500, 123_456]);
  expect([u32[BATCH.BUDGET_US >> 2], u32[BATCH.OUT_MAX >> 2], u32[BATCH.CONFIG_VERSION >> 2]]).toEqual([
    1_000_000, 1_048_576, 4,
  ]);
  const kinds: number[] = [];
  let at: number = u16[BATCH.HEADER >> 1]!;
  for (; at < block.u8.length; at += entryTotal(block, at)) kinds.push(entryKind(block, at));
  expect({ at, kinds }).toEqual({
    at: block.u8.length,
    kinds: [RECORD.MESSAGE, RECORD.TIMER, RECORD.MESSAGE],
  });
});

test("a result has its fields where the layout says, and its effects follow by their lengths", () => {
  const block = Block.from(readVector("result"));
  const { u8, u16, u32 } = block;
  expect([u32[RESULT.MAGIC >> 2], u32[RESULT.TOTAL >> 2]]).toEqual([RESULT_MAGIC, u8.length]);
  expect([u32[RESULT.COUNT >> 2], u32[RESULT.CONSUMED >> 2]]).toEqual([3, 3]);
  const found: unknown[] = [];
  for (
    let at: number = u16[RESULT.HEADER >> 1]!;
    at < u8.length;
    at += u32[(at + EFFECT_HEADER.TOTAL) >> 2]!
  ) {
    const payload = at + u16[(at + EFFECT_HEADER.HEADER) >> 1]!;
    const kind = u16[(at + EFFECT_HEADER.KIND) >> 1]!;
    found.push([kind, u16[(at + EFFECT_HEADER.PORT) >> 1], u32[(at + EFFECT_HEADER.CAUSE) >> 2]]);
    if (kind === EFFECT.EMIT) expect(frameFault(block, payload, u8.length)).toBeNull();
    if (kind === EFFECT.PASS) expect(u32[payload >> 2]).toBe(0);
    if (kind === EFFECT.VERDICT) expect(u32[payload >> 2]).toBe(VERDICT.DEAD_LETTER);
  }
  expect(found).toEqual([
    [EFFECT.PASS, 0, 0],
    [EFFECT.EMIT, 1, 1],
    [EFFECT.VERDICT, 0, 2],
  ]);
});

test("key-value effects name no record, and hold key and value behind their lengths", () => {
  const { u8, u16, u32 } = Block.from(readVector("effects-kv"));
  const second = u32[EFFECT_HEADER.TOTAL >> 2]!;
  expect([u16[EFFECT_HEADER.KIND >> 1], u16[(second + EFFECT_HEADER.KIND) >> 1]]).toEqual([
    EFFECT.KV_PUT,
    EFFECT.KV_DEL,
  ]);
  expect(u32[EFFECT_HEADER.CAUSE >> 2]).toBe(NO_CAUSE);
  const [key, value] = [u32[EFFECT_HEADER.SIZE >> 2]!, u32[(EFFECT_HEADER.SIZE + 4) >> 2]!];
  const at = EFFECT_HEADER.SIZE + 8;
  expect([u8.toString("utf8", at, at + key), u8.toString("hex", at + key, at + key + value)]).toEqual([
    "key",
    "00ff",
  ]);
});

describe("a signature", () => {
  // RFC 8032 §7.1, TEST 1.
  const seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
  const privateKey = createPrivateKey({
    key: Buffer.from(`302e020100300506032b657004220420${seed}`, "hex"),
    format: "der",
    type: "pkcs8",
  });
  const golden = readFileSync(new URL("../golden/abi/signature.json", import.meta.url), "utf8");

  test("over an artifact is the one that was always made, to the byte", () => {
    const digest = digestOf(Buffer.from("0061736d01000000", "hex"));
    const file = { version: 1, digest, signatures: [signDigest(digest, privateKey)] } as const;
    expect(encodeSignatureFile(file)).toBe(golden);
  });

  test("of the golden file is valid for its key and no other digest", () => {
    const { digest, signatures } = decodeSignatureFile(golden);
    const publicKey = createPublicKey(privateKey);
    expect(signatures[0]!.keyId).toBe(keyId(publicKey));
    expect(verifyDigest(digest, signatures[0]!, publicKey)).toBe(true);
    expect(
      verifyDigest(
        digest.replace(/.$/, (digit) => (digit === "0" ? "1" : "0")),
        signatures[0]!,
        publicKey,
      ),
    ).toBe(false);
  });
});
