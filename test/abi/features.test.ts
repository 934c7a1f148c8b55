/** What ABI 1.1 added: the same bytes on every side that writes or reads them. */
import { describe, expect, test } from "vitest";
import { Block, EFFECT_HEADER, FEATURE, featuresOf } from "../../abi/index.ts";
import { invocationOf, methodReplyOf, reportOf } from "../../hub/modules/feature-effects.ts";
import { desiredRecord, methodRecord, replyRecord } from "../../hub/modules/feature-records.ts";
import { FEATURE_VECTORS, PATCH, REQUEST, WHOLE } from "./feature-vectors.ts";
import { bytesOf, keepVector, readVector } from "./hex-file.ts";

test.for(Object.keys(FEATURE_VECTORS))(
  "golden vector %s is what the specification says, byte by byte",
  (name) => {
    const [title, fields] = FEATURE_VECTORS[name]!;
    keepVector(name, title, fields);
    expect(readVector(name).toString("hex")).toBe(bytesOf(fields).toString("hex"));
  },
);

describe("the hub", () => {
  const hexOf = (record: ArrayBuffer): string => Buffer.from(record).toString("hex");

  test("writes records as the vectors say", () => {
    const written = {
      "record-desired": desiredRecord(7, Buffer.from(PATCH), Buffer.from(WHOLE)),
      "record-method": methodRecord(2 ** 32 + 9, Buffer.from("reset"), Buffer.from(REQUEST)),
      "record-reply": replyRecord({ lo: 3, hi: 2 }, -404, Buffer.from('{"message":"x"}')),
    };
    for (const [name, record] of Object.entries(written)) {
      expect({ name, hex: hexOf(record) }).toEqual({ name, hex: readVector(name).toString("hex") });
    }
  });

  test("reads effects as the vectors say", () => {
    const block = Block.from(readVector("effects-features"));
    const reply = block.u32[EFFECT_HEADER.TOTAL >> 2]!;
    const invoke = reply + block.u32[(reply + EFFECT_HEADER.TOTAL) >> 2]!;
    expect(reportOf(block, 0).toString()).toBe('{"seen":1}');
    const { corr, status, answer } = methodReplyOf(block, reply);
    expect([corr, status, answer.toString()]).toEqual([2 ** 32 + 9, 200, "true"]);
    expect(invocationOf(block, invoke)).toEqual({
      corr: { lo: 3, hi: 2 },
      deviceId: "press1",
      moduleId: "valve",
      name: "open",
      payload: "17",
      timeoutSecs: 10,
    });
  });
});

test("a host offers the features that a manifest asks for, and a manifest of 1.0 asks for none", () => {
  expect(featuresOf(["log", "clock", "random", "kv"])).toBe(0);
  expect(featuresOf(["twin"])).toBe(FEATURE.TWIN);
  expect(featuresOf(["kv", "invoke"], ["reset"])).toBe(FEATURE.INVOKE | FEATURE.METHODS);
});
