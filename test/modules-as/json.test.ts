import { beforeAll, describe, expect, test } from "vitest";
import { SEED, randomFrom } from "./random.ts";
import { Probe } from "./probe.ts";
import type { TestGuest } from "./test-guest.ts";

let probe: Probe;
let guest: TestGuest;
beforeAll(async () => {
  probe = await Probe.compile();
  guest = probe.guest();
}, 60_000);

const answer = (input: string, body: string | Uint8Array): string =>
  guest.run([probe.to(input, { body })])[0]!.text!;

describe("a number", () => {
  /** Each text as the guest reads it (bits) and prints it again. */
  function readByGuest(texts: readonly string[]): { readonly bits: string; readonly value: number }[] {
    const pairs = JSON.parse(answer("number", `[${texts.join(",")}]`)) as (string | number)[];
    return texts.map((_, index) => ({ bits: String(pairs[index * 2]), value: Number(pairs[index * 2 + 1]) }));
  }
  function bitsOf(value: number): string {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return bytes.readBigUInt64BE().toString(16);
  }
  function check(texts: readonly string[]): void {
    const read = readByGuest(texts);
    texts.forEach((text, index) => {
      const expected = Number(text);
      expect({ text, bits: read[index]!.bits }, `SEED=${SEED}`).toEqual({ text, bits: bitsOf(expected) });
      const printed = Number.isFinite(expected) ? expected : 0; // null
      expect({ text, printed: read[index]!.value }, `SEED=${SEED}`).toEqual({ text, printed: printed + 0 });
    });
  }

  test("at the edges of f64 is read as JavaScript reads it, and printed so that it reads back", () => {
    check([
      ...["0", "-0", "1", "-1.5", "0.1", "1e0", "1E+2", "1e-2", "100", "0.000001", "123456789012345678"],
      ...["9007199254740993", "9007199254740992.5", "9007199254740993.0000000000000000000001"],
      ...["1.7976931348623157e308", "1.7976931348623159e308", "1e309", "-1e400", "1e99999999999"],
      ...[
        "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1e-400",
        "2.2250738585072011e-308",
      ],
      ...[
        "2.2250738585072014e-308",
        "1e22",
        "1e23",
        "1e27",
        "1e28",
        "1e-27",
        "1e-28",
        "8.5e-23",
        "7.2057594037927945e16",
      ],
      ...["18446744073709551615", "18446744073709551616", "99999999999999999999", "0.30000000000000004"],
      `${"1".repeat(400)}`,
      `0.${"0".repeat(320)}${"7".repeat(30)}`,
      `1${"0".repeat(300)}.5e-290`,
      `9007199254740992.5${"0".repeat(900)}1`,
      `0.${"0".repeat(900)}1e901`,
    ]);
  });

  test("of any 64 bits is read as JavaScript reads it", () => {
    const random = randomFrom(SEED);
    const bytes = Buffer.alloc(8);
    const texts: string[] = [];
    while (texts.length < 3000) {
      bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), 0);
      bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), 4);
      const value = bytes.readDoubleLE();
      if (Number.isFinite(value)) texts.push(String(value));
    }
    check(texts);
  });

  test("as sensors write them is read as JavaScript reads it", () => {
    const random = randomFrom(SEED + 1);
    const texts = Array.from({ length: 4000 }, () => {
      const value = (random() - 0.3) * 10 ** Math.floor(random() * 12);
      const digits = Math.floor(random() * 21);
      return random() < 0.5
        ? String(value)
        : random() < 0.5
          ? value.toFixed(digits)
          : value.toPrecision(digits + 1);
    });
    check(texts);
  });
});

describe("a text", () => {
  const valid = [
    ...[
      "{}",
      "[]",
      " [ ] ",
      "0",
      "-0.5e+10",
      '""',
      '"a"',
      "true",
      "false",
      "null",
      '{"a":1}',
      '{"a":{"b":[1,2,{}]}}',
    ],
    ...[
      '"\\u00e9\\ud83d\\ude00\\/\\b"',
      '\t{ "a" :\r\n[ 1 , "}" ] }',
      '"\u007f"',
      '"ü"',
      "[1,2]\n",
      '{"a":1,"a":2}',
    ],
    `${"[".repeat(64)}${"]".repeat(64)}`,
    `"${"x".repeat(100)}\\n${"y".repeat(100)}"`,
  ];
  const invalid: readonly (readonly [text: string, byte: number])[] = [
    ...([
      ["", 0],
      ["  ", 2],
      ["{", 1],
      ["[1,", 3],
      ["[1,]", 3],
      ['{"a"}', 4],
      ['{"a":}', 5],
      ["{a:1}", 1],
    ] as const),
    ...([
      ["01", 1],
      ["1.", 2],
      ["1.e1", 2],
      ["-", 1],
      ["+1", 0],
      ["1e", 2],
      [".5", 0],
      ["tru", 0],
      ["nul", 0],
    ] as const),
    ...([
      ['"', 1],
      ['"\n"', 1],
      ['"\\x"', 2],
      ['"\\u12g4"', 5],
      ['"\\', 2],
      ["[1 2]", 3],
      ["{}}", 2],
    ] as const),
    ...([
      ["NaN", 0],
      ["\u00a01", 0],
      ["[1]\0", 3],
      ['{"a":1,}', 7],
      ["'a'", 0],
      ['"ü" x', 5],
      ["falsy", 0],
    ] as const),
    [`${"[".repeat(65)}${"]".repeat(65)}`, 64],
  ];

  test.for(valid)("that is JSON is taken: %j", (text) => {
    expect(JSON.parse(answer("tryJson", text))).toEqual(JSON.parse(text));
  });

  test.for(invalid)("that is not JSON is refused with the byte: %j at %i", ([text, byte]) => {
    expect(() => guest.run([probe.to("json", { body: text })])).toThrow(
      `message body is not JSON at byte ${byte} `,
    );
    expect(answer("tryJson", text)).toBe("null");
  });

  test("is taken or refused as JavaScript does, whatever byte of it is changed", () => {
    const random = randomFrom(SEED + 2);
    const letters = ' \t\n\r{}[]",:\\/u0123456789abcdefE+-.tnlsr\u0000\u0001\u001f\u007f';
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(valid[Math.floor(random() * valid.length)]!);
      for (let changes = Math.floor(random() * 3); changes >= 0; changes--) {
        bytes[Math.floor(random() * bytes.length)] = letters.charCodeAt(
          Math.floor(random() * letters.length),
        );
      }
      const text = bytes.toString("utf8");
      const expected = parsed(text);
      const found = answer("tryJson", bytes);
      expect({ text, found: found === "null" ? null : "json" }, `SEED=${SEED}`).toEqual({
        text,
        found: expected === undefined ? null : text.trim() === "null" ? null : "json",
      });
    }
  });

  const parsed = (text: string): unknown => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return undefined;
    }
  };
});

describe("a member", () => {
  const read = (text: string): Record<string, unknown> =>
    JSON.parse(answer("json", text)) as Record<string, unknown>;

  test("is found by its name, and has the fallback when it is absent or of another kind", () => {
    expect(
      read('{"n":1.5,"s":"é\\n\\u00e9\\ud83d\\ude00","b":true,"o":{"p":{"q":3}},"a":[1,"x",{}]}'),
    ).toEqual({
      n: 1.5,
      missing: -1,
      wrong: -2,
      b: true,
      hasN: true,
      hasZ: false,
      s: "é\né😀",
      o: '{"p":{"q":3}}',
      keys: "p",
      length: 3,
      deep: 3,
    });
    expect(read("[1]")).toEqual({
      n: null,
      missing: -1,
      wrong: -2,
      b: false,
      hasN: false,
      hasZ: false,
      s: null,
    });
  });

  test("that stands twice counts as it stands last, as in JavaScript", () => {
    expect(read('{"n":1,"\\u006e":2}')["n"]).toBe(2);
  });

  test("is found behind nested and escaped text that looks like it", () => {
    expect(read('{"x":"\\"n\\":9,{","y":{"n":8,"s":"]}"},"\\"n":7,"z":[{"n":6}],"n":5}')["n"]).toBe(5);
  });

  test("whose text has lone surrogates or all kinds of escapes is read as JavaScript reads it", () => {
    const text = '{"s":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00df\\u20ac\\ud834\\udd1e"}';
    expect(read(text)["s"]).toBe((JSON.parse(text) as { s: string }).s);
    expect(read('{"s":"a\\ud800b"}')["s"]).toMatch(/^a.+b$/);
  });
});
