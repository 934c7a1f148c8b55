import { describe, expect, it } from "vitest";
import {
  Block,
  decodeProperties,
  encodeProperties,
  frameLength,
  NO_SECTIONS,
  PROPERTY_TYPE,
  sections,
  SYSTEM_PROPERTIES,
  writeFrame,
  type Sections,
} from "../../../abi/index.ts";
import { decodeBag, encodeBag, withArrival, type MessageSource } from "../../../hub/mqtt/property-bag.ts";
import { InputTopics } from "../../../hub/mqtt/input-topics.ts";
import { Random, seed } from "./random.ts";

const pairs = (bytes: Uint8Array, length: number) =>
  decodeProperties(Block.from(bytes), 0, length).map(({ name, value }) => [name, value]);
const sys = (s: Sections) => pairs(s.sys, s.sysLength);
const app = (s: Sections) => pairs(s.app, s.appLength);

function decoded(bag: string): { output: string | null; sections: Sections } {
  const result = decodeBag(bag);
  if (!result.ok) throw new Error(result.reason);
  return result;
}

function frame(s: Sections, sourceId = 1, at = 0): Block {
  const block = Block.allocate(at + frameLength(s, 5));
  writeFrame(block, at, sourceId, 0, s, Buffer.from("hello"), 0, 5);
  return block;
}

const device: MessageSource = { deviceId: "dev", moduleId: null, output: null };

describe("a bag from a client", () => {
  it("has its system properties under every well-known key, escaped or not", () => {
    for (const [id, { name, bag }] of SYSTEM_PROPERTIES.entries()) {
      if (id === 0 || bag === "") continue;
      for (const key of [bag, encodeURIComponent(bag)]) {
        const { sections: s } = decoded(`${key}=a%20b`);
        expect(sys(s)).toEqual([[name, "a b"]]);
        expect(app(s)).toEqual([]);
      }
    }
  });

  it.each<[string, unknown[]]>([
    [
      "a=b&c=d",
      [
        ["a", "b"],
        ["c", "d"],
      ],
    ],
    ["?a=b", [["a", "b"]]],
    [
      "a&b=&c==",
      [
        ["a", null],
        ["b", ""],
        ["c", "="],
      ],
    ],
    ["a=1&a=2", [["a", "2"]]],
    ["&&a=b&", [["a", "b"]]],
    ["%C3%BC=%F0%9F%98%80", [["ü", "😀"]]],
    ["a+b=c+d", [["a+b", "c+d"]]],
    [
      "$.other=1&%24.x=2",
      [
        ["$.other", "1"],
        ["$.x", "2"],
      ],
    ],
    ["iothub-x=1", [["iothub-x", "1"]]],
    [
      "__proto__=1&constructor=2&hasOwnProperty",
      [
        ["__proto__", "1"],
        ["constructor", "2"],
        ["hasOwnProperty", null],
      ],
    ],
    ["%00=%00", [["\0", "\0"]]],
  ])("%s has these application properties", (bag, expected) => {
    expect(app(decoded(bag).sections)).toEqual(expected);
    expect(({} as Record<string, unknown>)["1"]).toBeUndefined();
  });

  it.each<[name: string, reason: string, bag: string]>([
    ["that ends in an escape", "malformed", "a=%"],
    ["with a name that cannot be unescaped", "malformed", "%zz=1"],
    ["with a surrogate", "malformed", "a=%ED%A0%80"],
    ["with a nameless property", "no name", "=1"],
    ["with a name of 257 bytes", "too long", `${"n".repeat(257)}=1`],
    ["with a name of 258 bytes in 129 characters", "too long", `${"ü".repeat(129)}=1`],
    ["of 127 properties", "more than 126", Array.from({ length: 127 }, (_, i) => `k${i}=1`).join("&")],
  ])("%s is refused", (_name, reason, bag) => {
    expect(decodeBag(bag)).toEqual({ ok: false, reason: expect.stringContaining(reason) as string });
  });

  it("may hold 126 properties with names of 256 bytes", () => {
    const bag = Array.from({ length: 126 }, (_, i) => `${String(i).padStart(256, "n")}=1`).join("&");
    expect(app(decoded(bag).sections)).toHaveLength(126);
  });

  it.each([
    ["%24.on=out&a=b", "out"],
    ["$.on=", null],
    ["$.on", null],
    ["a=b", null],
  ])("%s names the output %s, which is no property", (bag, output) => {
    expect(decoded(bag).output).toBe(output);
    expect(app(decoded(bag).sections)).toEqual(bag.includes("a=b") ? [["a", "b"]] : []);
  });

  it("cannot name its sender", () => {
    const { sections: s } = decoded("$.cdid=other&%24.cmid=other&a=b");
    expect(app(s)).toEqual([["a", "b"]]);
    expect(encodeBag(frame(s), 0, device)).toBe("%24.cdid=dev&a=b");
  });
});

describe("how a message arrived", () => {
  it("is told by properties behind its own", () => {
    const { sections: own } = decoded("$.mid=1&a=b");
    const s = withArrival(own, { dup: true, retain: true, isWill: true });
    expect(sys(s)).toEqual([
      ["messageId", "1"],
      ["messageType", "Will"],
    ]);
    expect(app(s)).toEqual([
      ["a", "b"],
      ["mqtt-retain", "true"],
      ["mqtt-dup", "true"],
    ]);
  });

  it("changes nothing when there is nothing to tell", () => {
    expect(withArrival(NO_SECTIONS, { dup: false, retain: false })).toBe(NO_SECTIONS);
  });
});

describe("a bag to a client", () => {
  it("begins with the source, and is never empty", () => {
    expect(encodeBag(frame(NO_SECTIONS), 0, device)).toBe("%24.cdid=dev");
    const output = { deviceId: "d", moduleId: "m", output: "o" };
    expect(encodeBag(frame(NO_SECTIONS), 0, output)).toBe("%24.cdid=d&%24.cmid=m&%24.on=o");
  });

  it("escapes whatever could end a segment, a pair, or a topic", () => {
    const s = sections(
      encodeProperties([{ id: 6, value: "application/json" }]),
      encodeProperties([
        { name: "a/+#&=?%'()*!\0ü", value: "b/+#&=?%'()*!\0ü" },
        { name: "n", value: null },
      ]),
    );
    const text = "%2F%2B%23%26%3D%3F%25%27%28%29%2A%21%00%C3%BC";
    expect(encodeBag(frame(s), 0, device)).toBe(`%24.cdid=dev&%24.ct=application%2Fjson&a${text}=b${text}&n`);
  });

  it("does not carry what a module may not say of itself", () => {
    const names = ["$.cdid", "$.cmid", "$.on", "", "ok"];
    const s = sections(Buffer.alloc(0), encodeProperties(names.map((name) => ({ name, value: "x" }))));
    expect(encodeBag(frame(s), 0, device)).toBe("%24.cdid=dev&ok=x");
  });

  it("carries values of every type as text, and skips ids it does not know", () => {
    const bool = encodeProperties([{ name: "b", value: "\u0001" }]);
    bool[2] = PROPERTY_TYPE.BOOL;
    const unknown = encodeProperties([{ id: 999, value: "x" }]);
    expect(encodeBag(frame(sections(unknown, bool)), 0, device)).toBe("%24.cdid=dev&b=true");
  });

  it(`gives back what was decoded, with SEED=${seed}`, () => {
    const random = new Random(seed);
    const alphabet = ["a", "ü", "😀", "%", "&", "=", "/", "+", "#", " ", "$.", "?", "\0", "__proto__"];
    const word = () => Array.from({ length: 1 + random.below(6) }, () => random.pick(alphabet)).join("");
    for (let round = 0; round < 500; round++) {
      const wanted = new Map<string, string | null>();
      for (let i = random.below(8); i > 0; i--) wanted.set(`k${word()}`, random.chance(20) ? null : word());
      const s = sections(
        encodeProperties([{ id: 1 + random.below(14), value: word() }]),
        encodeProperties([...wanted].map(([name, value]) => ({ name, value }))),
      );
      const again = decoded(encodeBag(frame(s), 0, device)).sections;
      expect(sys(again)).toEqual(sys(s));
      expect(app(again)).toEqual([...wanted]);
    }
  });
});

describe("the topics of an input", () => {
  const source = (id: number): MessageSource => ({ deviceId: `dev${id}`, moduleId: null, output: null });
  const topics = (asked: number[] = []) =>
    new InputTopics("gw", "mod", "in", (id) => {
      asked.push(id);
      return source(id);
    });

  it("are made once per source and set of properties", () => {
    const asked: number[] = [];
    const input = topics(asked);
    const one = decoded("a=b").sections;
    for (let round = 0; round < 5; round++) {
      for (const id of [1, 2, 3]) {
        const topic = input.topicOf(frame(one, id, 8 * round), 8 * round)!;
        expect(topic.toString()).toBe(`devices/gw/modules/mod/inputs/in/%24.cdid=dev${id}&a=b`);
      }
    }
    expect(asked).toEqual([1, 2, 3]);
  });

  it("follow every change of properties, also one that only moves a boundary", () => {
    const input = topics();
    const property = encodeProperties([{ id: 1, value: "x" }]);
    const none = new Uint8Array(0);
    for (const s of [
      sections(property, none),
      sections(none, property),
      sections(none, none),
      decoded("a=b").sections,
      decoded("a=c").sections,
      decoded("a=").sections,
      decoded("a").sections,
    ]) {
      const topic = input.topicOf(frame(s), 0)!.toString();
      expect(topic).toBe(`devices/gw/modules/mod/inputs/in/${encodeBag(frame(s), 0, source(1))}`);
    }
  });

  it("are forgotten rather than kept without bound", () => {
    const asked: number[] = [];
    const input = topics(asked);
    for (let id = 0; id < 5_000; id++) input.topicOf(frame(NO_SECTIONS, id), 0);
    input.topicOf(frame(NO_SECTIONS, 0), 0);
    expect(asked).toHaveLength(5_001);
  });

  it("that are too long are none", () => {
    const s = sections(new Uint8Array(0), encodeProperties([{ name: "k", value: "x".repeat(70_000) }]));
    expect(topics().topicOf(frame(s), 0)).toBeNull();
  });
});
