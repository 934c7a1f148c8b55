import { describe, expect, test } from "vitest";
import { encodeProperties, PROPERTY, PROPERTY_ID, PROPERTY_TYPE } from "../../../abi/index.ts";
import { FrameMessage } from "../../../hub/router/frame-message.ts";
import { DEVICE, frameOf, rawFrame, type FrameParts } from "./messages.ts";

const messageOf = (parts: FrameParts, origin = DEVICE): FrameMessage => {
  const { block, frameAt } = frameOf(parts);
  return new FrameMessage().at(block, frameAt, origin);
};

const JSON_UTF8 = { contentType: "application/json", contentEncoding: "utf-8" };

describe("application properties", () => {
  const message = messageOf({
    application: { Level: "High", empty: "", nothing: null, Größe: "5", "": "unnamed", level2: "x" },
  });

  test.for([
    ["level", "High"],
    ["LEVEL", "High"],
    ["leve", undefined],
    ["level2", "x"],
    ["level3", undefined],
    ["empty", ""],
    ["nothing", null],
    ["größe", "5"],
    ["GRÖßE", "5"],
    ["grösse", undefined],
    ["", "unnamed"],
    ["@evel", undefined],
  ] as const)("%j is %j", ([name, value]) => {
    expect(message.application(name)).toBe(value);
  });

  test("of a name given twice, the last counts", () => {
    const twice = encodeProperties([
      { name: "a", value: "first" },
      { name: "A", value: "second" },
    ]);
    const { block, frameAt } = rawFrame(Buffer.alloc(0), twice);
    expect(new FrameMessage().at(block, frameAt, DEVICE).application("a")).toBe("second");
  });

  test("what one message had is not answered for the next, however many names were asked for", () => {
    const names = Array.from({ length: 200 }, (_, i) => `name${i}`);
    const first = frameOf({ application: Object.fromEntries(names.map((name) => [name, "first"])) });
    const second = frameOf({ application: { name0: "second", name199: null } });
    const message = new FrameMessage().at(first.block, first.frameAt, DEVICE);
    for (const name of [...names, ...names]) expect(message.application(name)).toBe("first");
    message.at(second.block, second.frameAt, DEVICE);
    for (let round = 0; round < 2; round++) {
      expect(message.application("name0")).toBe("second");
      expect(message.application("name1")).toBeUndefined();
      expect(message.application("name150")).toBeUndefined();
      expect(message.application("name199")).toBeNull();
    }
  });

  test("a property under a well-known id is not an application property of any name", () => {
    const section = encodeProperties([{ id: PROPERTY_ID.MESSAGE_ID, value: "m" }]);
    const { block, frameAt } = rawFrame(Buffer.alloc(0), section);
    const sneaky = new FrameMessage().at(block, frameAt, DEVICE);
    expect(sneaky.application("messageId")).toBeUndefined();
    expect(sneaky.application("")).toBeUndefined();
  });

  test("a time that no calendar has reads as null", () => {
    for (const time of [NaN, Infinity, 1e300]) {
      const section = encodeProperties([{ name: "when", value: "12345678" }]);
      section[PROPERTY.TYPE] = PROPERTY_TYPE.TIME;
      section.writeDoubleLE(time, PROPERTY.SIZE + 4);
      const { block, frameAt } = rawFrame(Buffer.alloc(0), section);
      expect(new FrameMessage().at(block, frameAt, DEVICE).application("when")).toBeNull();
    }
  });

  test("a typed property reads as text", () => {
    const section = encodeProperties([{ name: "when", value: "12345678" }]);
    section[PROPERTY.TYPE] = PROPERTY_TYPE.TIME;
    section.writeDoubleLE(0, PROPERTY.SIZE + 4);
    const { block, frameAt } = rawFrame(Buffer.alloc(0), section);
    expect(new FrameMessage().at(block, frameAt, DEVICE).application("when")).toBe(
      "1970-01-01T00:00:00.000Z",
    );
  });
});

describe("system properties", () => {
  test("come from the frame by any case of their name, cid being the correlation id", () => {
    const message = messageOf({ system: { messageId: "m-1", correlationId: "c-1", "dt-subject": "thermo" } });
    expect(message.system("MessageId")).toBe("m-1");
    expect(message.system("correlationId")).toBe("c-1");
    expect(message.system("cid")).toBe("c-1");
    expect(message.system("dt-subject")).toBe("thermo");
  });

  test("the sender is what the hub knows it to be, not what the frame says", () => {
    const forged = encodeProperties([
      { name: "connectionDeviceId", value: "other" },
      { name: "connectionModuleId", value: "admin" },
    ]);
    const { block, frameAt } = rawFrame(forged, forged);
    const message = new FrameMessage().at(block, frameAt, DEVICE);
    expect(message.system("connectionDeviceId")).toBe("sensor-1");
    expect(message.system("connectionModuleId")).toBeUndefined();
    expect(message.system("outputName")).toBeUndefined();
  });

  test("a module's message has its module and output", () => {
    const message = messageOf({}, { deviceId: "gw", moduleId: "thermo", output: "alerts" });
    expect(message.system("connectionModuleId")).toBe("thermo");
    expect(message.system("outputName")).toBe("alerts");
  });

  test("the time of entry is ISO text, and missing when it is no time", () => {
    const at = (enqueuedWall: number): unknown => messageOf({ enqueuedWall }).system("enqueuedTime");
    expect(at(Date.UTC(2026, 10, 20))).toBe("2026-11-20T00:00:00.000Z");
    expect(at(NaN)).toBeUndefined();
  });

  test("unknown names are missing, those of every object included", () => {
    const message = messageOf({});
    for (const name of ["none", "", "__proto__", "constructor", "lockToken"]) {
      expect(message.system(name)).toBeUndefined();
    }
  });
});

describe("the body", () => {
  const text = '{"a":"ä😀"}';
  const utf16 = Buffer.from(text, "utf16le");
  const points = Array.from(text, (character) => character.codePointAt(0)!);
  const utf32 = Buffer.alloc(points.length * 4);
  points.forEach((point, i) => utf32.writeUInt32LE(point, i * 4));
  const swapped32 = Buffer.from(utf32);
  swapped32.swap32();

  test.for([
    ["utf-8", Buffer.from(text)],
    ["UTF-8", Buffer.from(`\ufeff${text}`)],
    ["utf-16", utf16],
    ["utf-16", Buffer.concat([Buffer.from([0xff, 0xfe]), utf16])],
    ["Utf-16", Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(utf16).swap16()])],
    ["utf-32", utf32],
    ["utf-32", Buffer.concat([Buffer.from([0, 0, 0xfe, 0xff]), swapped32])],
  ] as const)("is parsed from %s", ([contentEncoding, body]) => {
    const message = messageOf({ system: { contentType: "Application/JSON", contentEncoding }, body });
    expect(message.body()).toEqual({ a: "ä😀" });
  });

  test.for([
    ["no content type", { contentEncoding: "utf-8" }],
    ["no encoding", { contentType: "application/json" }],
    ["another type", { contentType: "text/plain", contentEncoding: "utf-8" }],
    ["another encoding", { contentType: "application/json", contentEncoding: "ascii" }],
    ["a type without value", { contentType: null, contentEncoding: "utf-8" }],
  ] as const)("is undefined with %s", ([, system]) => {
    expect(messageOf({ system, body: Buffer.from(text) }).body()).toBeUndefined();
  });

  test.for([
    ["nothing", Buffer.alloc(0)],
    ["half an object", Buffer.from('{"a":')],
    ["bytes that are no text", Buffer.from([0xff, 0xc0, 0x80])],
    ["deep nesting that never ends", Buffer.from("[".repeat(250_000))],
  ] as const)("is undefined for %s", ([, body]) => {
    expect(messageOf({ system: JSON_UTF8, body }).body()).toBeUndefined();
    expect(messageOf({ system: { ...JSON_UTF8, contentEncoding: "utf-32" }, body }).body()).toBeUndefined();
  });

  test("is parsed once per message, and again for the next", () => {
    const first = frameOf({ system: JSON_UTF8, body: Buffer.from('{"n":1}') });
    const second = frameOf({ system: JSON_UTF8, body: Buffer.from('{"n":2}') });
    const third = frameOf({ body: Buffer.from('{"n":3}') });
    const message = new FrameMessage().at(first.block, first.frameAt, DEVICE);
    expect(message.body()).toBe(message.body());
    expect(message.body()).toEqual({ n: 1 });
    expect(message.at(second.block, second.frameAt, DEVICE).body()).toEqual({ n: 2 });
    expect(message.at(third.block, third.frameAt, DEVICE).body()).toBeUndefined();
  });
});

test("an instance that was never pointed at a frame has nothing", () => {
  const message = new FrameMessage();
  expect(message.application("a")).toBeUndefined();
  expect(message.system("messageId")).toBeUndefined();
  expect(message.body()).toBeUndefined();
});
